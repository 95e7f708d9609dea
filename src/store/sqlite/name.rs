//! The one function that puts an identifier into SQL.

/// The identifier in double quotes, quotes inside doubled. Double-quoted strings are switched off on every connection, so
/// that a column that does not exist is an error and never a text.
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
