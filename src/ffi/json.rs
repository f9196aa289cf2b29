//! JSON objects: the details of events, and of what a host is asked.

/// Writes a JSON object, its members in the order given.
pub(crate) struct Json(String);

impl Json {
    pub fn new() -> Self {
        Self("{".to_owned())
    }

    /// A member whose value is JSON already.
    pub fn member(mut self, name: &str, value: &str) -> Self {
        if self.0.len() > 1 {
            self.0.push(',');
        }
        self.0.push_str(&format!("\"{name}\":{value}"));
        self
    }

    pub fn text(self, name: &str, value: &str) -> Self {
        let quoted = serde_json::Value::from(value).to_string();
        self.member(name, &quoted)
    }

    pub fn texts(self, name: &str, values: &[String]) -> Self {
        let quoted = serde_json::Value::from(values).to_string();
        self.member(name, &quoted)
    }

    pub fn number(self, name: &str, value: impl std::fmt::Display) -> Self {
        self.member(name, &value.to_string())
    }

    pub fn switch(self, name: &str, value: bool) -> Self {
        self.member(name, if value { "true" } else { "false" })
    }

    pub fn finish(mut self) -> String {
        self.0.push('}');
        self.0
    }
}
