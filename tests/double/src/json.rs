//! JSON objects whose keys stay in the order in which the service sends them.
//!
//! `serde_json` sorts keys unless a feature says otherwise, and that feature would be switched on
//! for the program under test as well.

use serde_json::Value;

/// An object being written.
#[derive(Clone, Default)]
pub(crate) struct Object(String);

impl Object {
    pub(crate) fn new() -> Object {
        Object::default()
    }

    fn raw(mut self, key: &str, value: &str) -> Object {
        if !self.0.is_empty() {
            self.0.push(',');
        }
        self.0.push_str(&quoted(key));
        self.0.push(':');
        self.0.push_str(value);
        self
    }

    pub(crate) fn text(self, key: &str, value: impl AsRef<str>) -> Object {
        let value = quoted(value.as_ref());
        self.raw(key, &value)
    }

    pub(crate) fn optional_text(self, key: &str, value: Option<&str>) -> Object {
        match value {
            Some(value) => self.text(key, value),
            None => self,
        }
    }

    pub(crate) fn number(self, key: &str, value: u64) -> Object {
        self.raw(key, &value.to_string())
    }

    pub(crate) fn flag(self, key: &str, value: bool) -> Object {
        self.raw(key, if value { "true" } else { "false" })
    }

    pub(crate) fn null(self, key: &str) -> Object {
        self.raw(key, "null")
    }

    pub(crate) fn object(self, key: &str, value: Object) -> Object {
        self.raw(key, &value.to_string())
    }

    pub(crate) fn optional_object(self, key: &str, value: Option<Object>) -> Object {
        match value {
            Some(value) => self.object(key, value),
            None => self,
        }
    }

    pub(crate) fn list(self, key: &str, values: &[Object]) -> Object {
        let values: Vec<String> = values.iter().map(Object::to_string).collect();
        self.raw(key, &format!("[{}]", values.join(",")))
    }

    pub(crate) fn texts(self, key: &str, values: &[&str]) -> Object {
        self.raw(key, &Value::from(values).to_string())
    }

    /// `key: {"href": address}`, as everything in `_links` is.
    pub(crate) fn link(self, key: &str, address: impl AsRef<str>) -> Object {
        self.object(key, Object::new().text("href", address))
    }
}

impl std::fmt::Display for Object {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{{{}}}", self.0)
    }
}

fn quoted(text: &str) -> String {
    Value::from(text).to_string()
}
