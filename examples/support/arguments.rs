//! Command-line arguments of an example.

use super::Error;

/// The parsed command line.
#[derive(Debug)]
pub struct Arguments {
    /// Options with their values; the value of a switch is empty.
    options: Vec<(String, String)>,
    positional: Vec<String>,
}

impl Arguments {
    /// Parses the command line. `known` lists the valid arguments, as in `["--server URL", "--fixed", "NAME"]`. The
    /// error is a message for the user.
    pub fn parse(known: &[&str], mut given: impl Iterator<Item = String>) -> Result<Arguments, String> {
        let list = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
        let mut arguments = Arguments { options: vec![], positional: vec![] };
        while let Some(argument) = given.next() {
            let option = known.iter().map(|known| known.split_once(' ').unwrap_or((known, "")));
            match option.into_iter().find(|(name, _)| *name == argument) {
                Some((_, "")) => arguments.options.push((argument, String::new())),
                Some((_, placeholder)) => match given.next() {
                    Some(value) => arguments.options.push((argument, value)),
                    None => return Err(format!("`{argument}` needs a value: {argument} {placeholder}")),
                },
                None if !argument.starts_with('-') && known.iter().any(|known| !known.starts_with('-')) => {
                    arguments.positional.push(argument);
                }
                None => return Err(format!("unknown argument `{argument}`; valid arguments: {list}")),
            }
        }
        Ok(arguments)
    }

    /// Returns whether the option was given.
    pub fn has(&self, option: &str) -> bool {
        self.value(option).is_some()
    }

    /// Returns the option's value. If it was given more than once, the last one counts.
    pub fn value(&self, option: &str) -> Option<&str> {
        self.options.iter().rfind(|(name, _)| name == option).map(|(_, value)| value.as_str())
    }

    /// Returns the option's value as a number, or `default` if the option was not given.
    pub fn number<N: std::str::FromStr>(&self, option: &str, default: N) -> Result<N, Error> {
        let Some(value) = self.value(option) else { return Ok(default) };
        value.parse().map_err(|_| format!("`{option} {value}`: not a number, or out of range").into())
    }

    /// Returns the arguments that are not options.
    pub fn positional(&self) -> &[String] {
        &self.positional
    }
}
