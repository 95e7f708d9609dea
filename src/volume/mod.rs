//! Volumes and sets: block streams on devices. Joins `format` and `device`; does not know databases.
