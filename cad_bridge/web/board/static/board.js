/* The open board: counts down by the server's clock, shows what has changed, and says when it does not know.
 *
 * Every tick of the stream carries the server's time and the version of what should be shown. A page whose own version
 * differs fetches itself anew and exchanges what differs, by id; a lost tick therefore loses nothing.
 */
"use strict";

(() => {
  const settings = document.body.dataset;
  if (!settings.stream && !settings.now) return;

  const SILENCE = Number(settings.silence) * 1000;
  const RECONNECT = 3000;
  const RETRY = 2000;
  /* A tick that was delayed on its way names a time that has passed: up to this much, our own reckoning is kept. */
  const DELAY = 2000;

  // --- time ---------------------------------------------------------------------------------------

  /* performance.now() may stand still while the computer sleeps, and Date.now() may be turned: the later one counts,
   * so that a countdown errs on the early side only, and the next tick sets it right. */
  const reading = () => ({ mono: performance.now(), wall: Date.now() });
  const since = (then) => Math.max(performance.now() - then.mono, Date.now() - then.wall);

  let base = { server: Date.parse(settings.now), at: reading() };
  const serverNow = () => base.server + since(base.at);

  function setClock(server) {
    const ahead = serverNow() - server;
    if (ahead < 0 || ahead > DELAY) base = { server, at: reading() };
  }

  const clockFormat = new Intl.DateTimeFormat("en-GB", {
    timeZone: "Europe/London", hour: "2-digit", minute: "2-digit", second: "2-digit", timeZoneName: "short",
  });
  const inLondon = (moment) => clockFormat.format(new Date(moment));

  /* As moments.left() on the server: 04:12, 1:04:12, 3 days, with a minus sign once the time has passed. */
  function spell(seconds) {
    let whole = Math.ceil(seconds);
    const sign = whole < 0 ? "\u2212" : "";
    whole = Math.abs(whole);
    const two = (number) => String(number).padStart(2, "0");
    const hours = Math.floor(whole / 3600);
    if (hours >= 48) return `${sign}${Math.floor(hours / 24)} days`;
    const rest = `${two(Math.floor((whole % 3600) / 60))}:${two(whole % 60)}`;
    return sign + (hours ? `${hours}:${rest}` : rest);
  }

  function levelOf(seconds) {
    if (seconds <= 0) return "over";
    if (seconds <= Number(settings.urgent)) return "urgent";
    return seconds <= Number(settings.soon) ? "soon" : "calm";
  }

  function wordOf(element, level) {
    if (level === "over") return element.dataset.passed;
    if (level === "calm") return element.dataset.calm;
    return level === "soon" ? settings.wordSoon : settings.wordUrgent;
  }

  const LEVELS = ["calm", "soon", "urgent", "over"];

  function write(element, text) {
    if (element && element.textContent !== text) element.textContent = text;
  }

  function setLevel(element, stem, level) {
    for (const one of LEVELS) element.classList.toggle(`${stem}--${one}`, one === level);
  }

  function count() {
    const now = serverNow();
    for (const element of document.querySelectorAll("[data-due]")) {
      const seconds = (Date.parse(element.dataset.due) - now) / 1000;
      const level = levelOf(seconds);
      write(element.querySelector(".b-count__left"), spell(seconds));
      write(element.querySelector(".b-count__word"), wordOf(element, level));
      if (!element.classList.contains(`b-count--${level}`)) setLevel(element, "b-count", level);
      const row = element.closest(".b-row");
      if (row && !row.classList.contains(`b-row--${level}`)) setLevel(row, "b-row", level);
    }
    for (const element of document.querySelectorAll("[data-since]")) {
      write(element, spell(Math.max(0, (now - Date.parse(element.dataset.since)) / 1000)));
    }
    const clock = document.getElementById("clock");
    if (clock) {
      write(clock, inLondon(now));
      clock.dateTime = new Date(now).toISOString();
    }
    sayWhetherLost();
  }

  // --- what is known, and what is not ---------------------------------------------------------------

  let heard = reading();      // the last tick
  let current = reading();    // when what is shown was last known to be what should be shown
  let newsAt = base.server;   // the same, as the server's time
  let signedOut = false;

  function isCurrent() {
    current = reading();
    newsAt = serverNow();
  }

  function sayWhetherLost() {
    const lost = document.getElementById("lost");
    if (!lost || !settings.stream || signedOut) return;
    const silent = since(current);
    if (silent > SILENCE) {
      write(document.getElementById("lost-for"), spell(silent / 1000));
      write(document.getElementById("lost-since"), inLondon(newsAt));
    }
    if (lost.hidden !== silent <= SILENCE) lost.hidden = silent <= SILENCE;
    if (since(heard) > SILENCE && since(connectedAt) > SILENCE) connect();
  }

  function saySignedOut() {
    signedOut = true;
    if (source) source.close();
    document.getElementById("lost").hidden = true;
    document.getElementById("signed-out").hidden = false;
  }

  // --- the stream ----------------------------------------------------------------------------------

  let source = null;
  let connectedAt = reading();

  function connect() {
    if (source) source.close();
    connectedAt = reading();
    const mine = source = new EventSource(settings.stream);
    mine.addEventListener("tick", (event) => {
      const tick = JSON.parse(event.data);
      heard = reading();
      setClock(Date.parse(tick.now));
      if (tick.version === version()) isCurrent();
      else refetch();
    });
    mine.addEventListener("signed-out", saySignedOut);
    mine.addEventListener("error", () => {
      // The browser reconnects by itself unless it was refused; then the page itself says why.
      if (mine !== source || mine.readyState !== EventSource.CLOSED || signedOut) return;
      setTimeout(() => { if (mine === source && !signedOut) connect(); }, RECONNECT);
      refetch();
    });
  }

  // --- fetching and exchanging ---------------------------------------------------------------------

  const live = () => document.getElementById("live");
  const version = () => live().dataset.version;
  let fetching = false;
  let again = false;

  async function refetch() {
    if (fetching) {
      again = true;
      return;
    }
    fetching = true;
    try {
      const answer = await fetch(settings.refetch, { cache: "no-store", redirect: "manual" });
      if (answer.status === 401 || answer.type === "opaqueredirect") saySignedOut();
      else if (answer.ok) exchange(new DOMParser().parseFromString(await answer.text(), "text/html"));
      else if (answer.status === 404) location.reload();
      else throw new Error(`the server answered ${answer.status}`);
    } catch (error) {
      // Not swallowed: unless it succeeds soon, the page says that the connection is lost.
      console.warn("the page could not be fetched anew", error);
      if (!signedOut) setTimeout(refetch, RETRY);
    } finally {
      fetching = false;
      if (again && !signedOut) {
        again = false;
        refetch();
      }
    }
  }

  const PARTS = "[data-part][id], [data-form-part][id]";
  const ENTRIES = "[data-list] > [id]";
  /* What the server sent of an element, without what this script writes into it. */
  const sent = new WeakMap();

  function remember(root) {
    for (const element of root.querySelectorAll(".b-count")) {
      if (!element.dataset.due) continue;
      setLevel(element, "b-count", null);
      for (const part of element.children) part.textContent = "";
    }
    for (const element of root.querySelectorAll(".b-row")) setLevel(element, "b-row", null);
    for (const element of root.querySelectorAll("[data-since]")) element.textContent = "";
    for (const element of root.querySelectorAll(`${PARTS}, ${ENTRIES}`)) sent.set(element, element.outerHTML);
  }

  function exchange(other) {
    const fresh = other.getElementById("live");
    if (!fresh || !isSameShape(fresh)) {
      location.reload();
      return;
    }
    remember(fresh);
    announce(fresh);
    const focus = whereFocusIs();
    for (const part of [...fresh.querySelectorAll(PARTS)]) exchangePart(document.getElementById(part.id), part);
    for (const list of [...fresh.querySelectorAll("[data-list][id]")]) exchangeList(document.getElementById(list.id), list);
    for (const shown of fresh.querySelectorAll("[data-shown][id]")) document.getElementById(shown.id).hidden = shown.hidden;
    Object.assign(live().dataset, fresh.dataset);
    giveFocusBack(focus);
    isCurrent();
    entitle();
    count();
  }

  /* After an upgrade of the server the page may be made of other parts: then it is loaded anew. */
  function isSameShape(fresh) {
    const needed = fresh.querySelectorAll(`${PARTS}, [data-list][id], [data-shown][id]`);
    return [...needed].every((element) => document.getElementById(element.id));
  }

  function exchangePart(old, part) {
    if (sent.get(old) === sent.get(part)) return;
    if (part.hasAttribute("data-form-part") && isBeingWritten(old)) {
      old.querySelector("[data-stale]").hidden = false;
      return;
    }
    // What a person has unfolded stays so; not the forms, which must be looked at again when the case has changed.
    if (!part.hasAttribute("data-form-part")) {
      for (const details of old.querySelectorAll("details[id][open]")) {
        const same = part.querySelector(`#${CSS.escape(details.id)}`);
        if (same) same.open = true;
      }
    }
    old.replaceWith(part);
  }

  function exchangeList(old, list) {
    const known = new Map([...old.children].map((entry) => [entry.id, entry]));
    let place = old.firstElementChild;
    for (const entry of [...list.children]) {
      let kept = known.get(entry.id);
      known.delete(entry.id);
      if (kept && sent.get(kept) !== sent.get(entry)) {
        if (kept === place) place = entry;
        kept.replaceWith(entry);
        kept = entry;
        entry.classList.add("b-fresh");
      } else if (!kept) {
        kept = entry;
        entry.classList.add("b-fresh");
      }
      if (kept === place) place = place.nextElementSibling;
      else old.insertBefore(kept, place);
    }
    for (const gone of known.values()) gone.remove();
  }

  function isBeingWritten(section) {
    return [...section.querySelectorAll("textarea, input:not([type=hidden])")].some((field) =>
      field.type === "radio" || field.type === "checkbox" ? field.checked !== field.defaultChecked : field.value !== field.defaultValue);
  }

  function whereFocusIs() {
    const element = document.activeElement;
    if (!element || element === document.body || !live().contains(element)) return null;
    for (const name of ["id", "formaction", "href"]) {
      const value = element.getAttribute(name);
      if (value) return { element, selector: `${element.localName}[${name}="${CSS.escape(value)}"]` };
    }
    return { element, selector: null };
  }

  function giveFocusBack(focus) {
    if (!focus || document.activeElement === focus.element || !focus.selector) return;
    const same = document.contains(focus.element) ? focus.element : live().querySelector(focus.selector);
    if (same) same.focus({ preventScroll: true });
  }

  function announce(fresh) {
    const isNew = (entry) => entry.dataset.announce && !document.getElementById(entry.id);
    const news = [...fresh.querySelectorAll("#escalations > [id]")].filter(isNew).map((entry) => entry.dataset.announce);
    if (news.length) write(document.getElementById("announcer"), news.join(". "));
  }

  const plainTitle = document.title;

  function entitle() {
    const { escalations, heading } = live().dataset;
    const name = heading ? plainTitle.replace(/^.*(?= - )/, () => heading) : plainTitle;
    document.title = Number(escalations) ? `(${escalations}) ${name}` : name;
  }

  // --- begin ---------------------------------------------------------------------------------------

  if (live()) {
    remember(document);
    entitle();
  }
  count();
  setInterval(count, 250);
  document.addEventListener("visibilitychange", count);
  if (settings.stream) {
    connect();
    // A page that comes back from the browser's memory is as old as when it was left.
    addEventListener("pageshow", (event) => { if (event.persisted) { connect(); refetch(); } });
  }
})();
