//! The one function that puts an identifier into SQL, for all stores.

/// The identifier in double quotes, quotes inside doubled. SQLite would take one that is no column's for a text: that is switched
/// off on every connection.
pub(super) fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

#[cfg(test)]
mod tests {
    use super::quoted;

    #[test]
    fn quotes_are_doubled() {
        assert_eq!(quoted("plain"), "\"plain\"");
        assert_eq!(quoted("a\"; DROP TABLE t; --"), "\"a\"\"; DROP TABLE t; --\"");
        assert_eq!(quoted(""), "\"\"");
    }
}
