"""The local API at `/api/v1`: plain JSON in the terms of a CAD or CAS; no FHIR knowledge needed."""
