//! The table catalogue: what each table means. The CMS one is built in; a user's TOML replaces or extends it.
