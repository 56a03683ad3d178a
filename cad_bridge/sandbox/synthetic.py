"""People who do not exist, with test-range NHS numbers and telephone numbers kept for drama."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Person:
    """A made-up patient."""

    family: str
    given: str
    prefix: str
    gender: str
    birth_date: str
    nhs_number: str
    phone: str
    line: str
    city: str
    postcode: str
    latitude: float
    longitude: float
    easting: int
    northing: int


def nhs_number_in_test_range(serial: int) -> str:
    """The NHS number of the 999 test range with this serial (6 digits), check digit included.

    Raises ValueError for a serial that has no valid check digit, as one in eleven has none.
    """
    digits = f"999{serial:06d}"
    check = 11 - sum(int(digit) * weight for digit, weight in zip(digits, range(10, 1, -1), strict=True)) % 11
    if check == 10:
        raise ValueError("this serial has no check digit")
    return f"{digits}{0 if check == 11 else check}"


PEOPLE: tuple[Person, ...] = (
    Person(
        "Sandbox", "Ivy", "Ms", "female", "1948-02-29", nhs_number_in_test_range(120001), "07700 900201",
        "4 Fictional Row", "Leeds", "LS1 4AP", 53.7975, -1.5436, 430160, 433562,
    ),
    Person(
        "Testcase", "Arthur", "Mr", "male", "1939-11-02", nhs_number_in_test_range(120002), "07700 900202",
        "12 Imaginary Terrace", "Bradford", "BD1 1HX", 53.7936, -1.7530, 416369, 433060,
    ),
    Person(
        "Placeholder", "Noor", "Mrs", "female", "1987-07-15", nhs_number_in_test_range(120004), "07700 900203",
        "Flat 2, 31 Invented Street", "Wakefield", "WF1 2SS", 53.6833, -1.4977, 433273, 420877,
    ),
    Person(
        "Mockingham", "Piotr", "Mr", "male", "1962-09-30", nhs_number_in_test_range(120005), "07700 900204",
        "The Old Example, Nowhere Lane", "York", "YO1 7HH", 53.9590, -1.0815, 460365, 451825,
    ),
    Person(
        "Examplewaite", "Grace", "Miss", "female", "1995-04-08", nhs_number_in_test_range(120006), "07700 900205",
        "9 Pretend Quay", "Newcastle upon Tyne", "NE1 3PA", 54.9738, -1.6131, 424864, 564422,
    ),
)  # fmt: skip
