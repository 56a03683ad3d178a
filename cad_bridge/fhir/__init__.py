"""BaRS messages: read, checked and built. Pure: no I/O, no clock, no randomness; the only importer of fhir.resources.

- `content`: the clinical content of a request or a response in a control room's own terms (`Request`, `Outcome`),
  and what a remote system sent (`ReceivedRequest`, `ReceivedOutcome`). `docs/content.md` maps each field to FHIR.
- `envelope`: who sends to whom, when, under which ids.
- `build_request`, `build_update`, `build_cancellation`: messages of the requester.
- `build_acknowledgement`, `build_response`: messages of the responder. Received resources are echoed digit for digit.
- `read_request`, `read_response`: messages to content, with issues, never raising.
- `facts`, `structure`, `profile`, `payload`: what decides the workflow, and the checks of a received message.
"""
