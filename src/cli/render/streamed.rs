//! An answer in JSON that is written as it comes, for lists that nobody should hold in memory. The same object as any other;
//! its exit status stands at its end, since it is known only there.

use super::json::{VERSION, harmless};
use crate::cli::exit::Exit;
use crate::cli::output::Output;
use serde::Serialize;
use serde_json::Value;

/// An object that is being written. What is begun is ended in the reverse order; [`Streamed::end`] ends the whole.
pub struct Streamed<'o> {
    output: &'o Output,
    /// What is open, with the sign that ends it and whether something is in it.
    open: Vec<(char, bool)>,
}

impl<'o> Streamed<'o> {
    /// Begins the object.
    #[must_use]
    pub fn begin(schema: &'static str, output: &'o Output) -> Streamed<'o> {
        let mut streamed = Streamed { output, open: Vec::new() };
        streamed.start(None, '{', '}');
        streamed.field("schema", &schema);
        streamed.field("version", &VERSION);
        streamed
    }

    /// A field of the object that is open.
    pub fn field(&mut self, name: &str, value: &impl Serialize) {
        self.next(Some(name));
        self.value(value);
    }

    /// All fields of an object; of what is no object none.
    pub fn fields(&mut self, object: &Value) {
        object.as_object().into_iter().flatten().for_each(|(name, value)| self.field(name, value));
    }

    /// Begins a list as a field of the object that is open.
    pub fn list(&mut self, name: &str) {
        self.start(Some(name), '[', ']');
    }

    /// Begins an object in the list that is open.
    pub fn item(&mut self) {
        self.start(None, '{', '}');
    }

    /// A whole item of the list that is open.
    pub fn push(&mut self, item: &impl Serialize) {
        self.next(None);
        self.value(item);
    }

    /// Ends what was begun last.
    pub fn close(&mut self) {
        if let Some((sign, _)) = self.open.pop() {
            self.output.part(&format!("\n{}{sign}", self.indent()));
        }
    }

    /// Ends the object, with the exit status.
    pub fn end(mut self, exit: Exit) {
        while self.open.len() > 1 {
            self.close();
        }
        self.field("exit", &exit.code());
        self.field("status", &exit.name());
        self.close();
        self.output.part("\n");
    }

    fn start(&mut self, name: Option<&str>, begin: char, end: char) {
        self.next(name);
        self.output.part(&begin.to_string());
        self.open.push((end, false));
    }

    fn next(&mut self, name: Option<&str>) {
        if let Some((_, filled)) = self.open.last_mut() {
            let comma = if std::mem::replace(filled, true) { "," } else { "" };
            self.output.part(&format!("{comma}\n{}", self.indent()));
        }
        if let Some(name) = name {
            self.value(&name);
            self.output.part(": ");
        }
    }

    /// Values come from types that always have a text.
    fn value(&self, value: &(impl Serialize + ?Sized)) {
        self.output.part(&harmless(serde_json::to_string(value).unwrap_or_else(|_| "null".to_owned())));
    }

    fn indent(&self) -> String {
        "  ".repeat(self.open.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::output::Style;
    use crate::cli::output::tests::captured;
    use serde_json::json;

    #[test]
    fn what_comes_bit_by_bit_is_one_object() {
        let (output, out, _) = captured(Style { json: true, ..Style::default() });
        let mut streamed = Streamed::begin("intervault/check", &output);
        streamed.list("sets");
        streamed.item();
        streamed.fields(&json!({"set": "01", "tables": [1, 2]}));
        streamed.list("blocks");
        streamed.push(&json!({"block": 0}));
        streamed.push(&json!({"block": "\u{1b}\n\u{9b}31m\u{202e}\u{e0001}\u{7f}ä"}));
        streamed.close();
        streamed.close();
        streamed.item();
        streamed.list("blocks");
        streamed.end(Exit::Damage);
        let read: Value = serde_json::from_str(&out.text()).unwrap();
        let sets = json!([
            {"set": "01", "tables": [1, 2], "blocks": [{"block": 0}, {"block": "\u{1b}\n\u{9b}31m\u{202e}\u{e0001}\u{7f}ä"}]},
            {"blocks": []},
        ]);
        assert_eq!(
            read,
            json!({"schema": "intervault/check", "version": 1, "sets": sets, "exit": 4, "status": "damage"})
        );
        let acts = ['\u{1b}', '\u{9b}', '\u{202e}', '\u{e0001}', '\u{7f}'];
        assert!(
            out.text().ends_with("}\n") && !out.text().contains(acts) && out.text().contains('ä'),
            "{}",
            out.text()
        );
    }
}
