//! The arguments of an example: a short list, and whoever gives another is told the list.

use super::Error;

/// What stands on the command line.
#[derive(Debug)]
pub struct Arguments {
    /// Options with their values; those that take none have an empty one.
    options: Vec<(String, String)>,
    words: Vec<String>,
}

impl Arguments {
    /// Reads the command line; what is wrong with it comes back in words.
    pub fn parse(known: &[&str], mut given: impl Iterator<Item = String>) -> Result<Arguments, String> {
        let list = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
        let mut arguments = Arguments { options: vec![], words: vec![] };
        while let Some(argument) = given.next() {
            let option = known.iter().map(|known| known.split_once(' ').unwrap_or((known, "")));
            match option.into_iter().find(|(name, _)| *name == argument) {
                Some((_, "")) => arguments.options.push((argument, String::new())),
                Some((_, what)) => match given.next() {
                    Some(value) => arguments.options.push((argument, value)),
                    None => return Err(format!("`{argument}` wants a value: {argument} {what}")),
                },
                None if !argument.starts_with('-') && known.iter().any(|known| !known.starts_with('-')) => {
                    arguments.words.push(argument);
                }
                None => return Err(format!("`{argument}` is not known here; the arguments are: {list}")),
            }
        }
        Ok(arguments)
    }

    /// Whether an option is there.
    pub fn has(&self, option: &str) -> bool {
        self.value(option).is_some()
    }

    /// An option's value.
    pub fn value(&self, option: &str) -> Option<&str> {
        self.options.iter().rfind(|(name, _)| name == option).map(|(_, value)| value.as_str())
    }

    /// An option's value as a number, or what is usual.
    pub fn number<N: std::str::FromStr>(&self, option: &str, usual: N) -> Result<N, Error> {
        let Some(value) = self.value(option) else { return Ok(usual) };
        value.parse().map_err(|_| format!("`{option} {value}`: that is no number that fits").into())
    }

    /// What is no option.
    pub fn words(&self) -> &[String] {
        &self.words
    }
}
