"""The rules of the NHS Booking and Referral Standard, as data and pure functions: no clock, no network, no database."""
