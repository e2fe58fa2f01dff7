//! How to show things, and how that is decided.

use std::fmt;
use std::str::FromStr;

/// How to show things on one stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Look {
    /// For a person at a terminal: bars, marks, wrapped text.
    Terminal {
        /// How many columns it has.
        width: u16,
        /// Whether colours are welcome.
        colour: bool,
        /// Whether it shows more than ASCII.
        unicode: bool,
    },
    /// For a log, a pipe or a plain terminal: one line after the other, nothing ever taken back.
    Plain {
        /// Whether colours were asked for in so many words. Without that there is no escape in the output.
        colour: bool,
    },
    /// For a program: one JSON value a line.
    Json,
}

impl Look {
    /// The width of a terminal that does not tell.
    const USUAL_WIDTH: u16 = 80;
    /// Narrower than this, nothing can be laid out, and a terminal that says so is not believed.
    const LEAST_WIDTH: u16 = 20;

    /// Decides how to show things, from nothing but what it is given.
    pub fn decide(wanted: Wanted, around: &Surroundings) -> Self {
        if wanted.json {
            return Self::Json;
        }
        let colour = around.colour(wanted.colour);
        if around.terminal && !around.is_dumb() {
            Self::Terminal {
                width: around.width(),
                colour: colour.unwrap_or(true),
                unicode: around.speaks_unicode(),
            }
        } else {
            Self::Plain {
                colour: colour.unwrap_or(false),
            }
        }
    }

    /// Whether colours are welcome.
    pub fn colour(self) -> bool {
        match self {
            Self::Terminal { colour, .. } | Self::Plain { colour } => colour,
            Self::Json => false,
        }
    }
}

/// What the person or the script asked for on the command line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Wanted {
    /// `--json`.
    pub json: bool,
    /// `--color`.
    pub colour: ColourChoice,
}

/// What `--color` says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ColourChoice {
    /// Colours on a terminal, unless the environment says otherwise.
    #[default]
    Auto,
    /// Colours, whatever the environment says and wherever the output goes.
    Always,
    /// No colours.
    Never,
}

impl fmt::Display for ColourChoice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Auto => "auto",
            Self::Always => "always",
            Self::Never => "never",
        })
    }
}

impl FromStr for ColourChoice {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        [Self::Auto, Self::Always, Self::Never]
            .into_iter()
            .find(|choice| choice.to_string() == text)
            .ok_or_else(|| "the choices are auto, always and never".to_owned())
    }
}

/// What one stream is connected to, and what the environment says about it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Surroundings {
    /// Whether the stream is a terminal.
    pub terminal: bool,
    /// How many columns the terminal says it has.
    pub columns: Option<u16>,
    /// `COLUMNS`, which outranks what the terminal says.
    pub columns_variable: Option<String>,
    /// `TERM`.
    pub term: Option<String>,
    /// `NO_COLOR`.
    pub no_color: Option<String>,
    /// `CLICOLOR`.
    pub clicolor: Option<String>,
    /// `CLICOLOR_FORCE`.
    pub clicolor_force: Option<String>,
    /// The first of `LC_ALL`, `LC_CTYPE` and `LANG` that says something.
    pub locale: Option<String>,
}

impl Surroundings {
    /// What surrounds a stream: whether it is a terminal, how many columns it has, and its environment.
    pub fn new(
        terminal: bool,
        columns: Option<u16>,
        variable: impl Fn(&str) -> Option<String>,
    ) -> Self {
        let variable = |name: &str| variable(name).filter(|value| !value.is_empty());
        Self {
            terminal,
            columns,
            columns_variable: variable("COLUMNS"),
            term: variable("TERM"),
            no_color: variable("NO_COLOR"),
            clicolor: variable("CLICOLOR"),
            clicolor_force: variable("CLICOLOR_FORCE"),
            locale: ["LC_ALL", "LC_CTYPE", "LANG"]
                .into_iter()
                .find_map(variable),
        }
    }

    /// Whether colours are asked for or refused; `None` when nobody said anything.
    fn colour(&self, choice: ColourChoice) -> Option<bool> {
        let is = |variable: &Option<String>, value: &str| variable.as_deref() == Some(value);
        match choice {
            ColourChoice::Always => Some(true),
            ColourChoice::Never => Some(false),
            ColourChoice::Auto if self.no_color.is_some() => Some(false),
            ColourChoice::Auto if self.clicolor_force.is_some() => {
                (!is(&self.clicolor_force, "0")).then_some(true)
            }
            ColourChoice::Auto => is(&self.clicolor, "0").then_some(false),
        }
    }

    /// Whether the terminal cannot move its cursor: then there are no bars.
    fn is_dumb(&self) -> bool {
        match self.term.as_deref() {
            Some(term) => term == "dumb",
            None => cfg!(unix),
        }
    }

    fn width(&self) -> u16 {
        let told = self
            .columns_variable
            .as_deref()
            .and_then(|text| text.trim().parse().ok());
        [told, self.columns]
            .into_iter()
            .flatten()
            .find(|columns| *columns >= Look::LEAST_WIDTH)
            .unwrap_or(Look::USUAL_WIDTH)
    }

    fn speaks_unicode(&self) -> bool {
        self.locale.as_deref().map_or(cfg!(windows), |locale| {
            let locale = locale.to_ascii_lowercase();
            locale.contains("utf-8") || locale.contains("utf8")
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is said on the command line and by the environment, in one line.
    fn decided(case: &str) -> Look {
        let mut wanted = Wanted::default();
        let mut variables = Vec::new();
        let mut terminal = false;
        let mut columns = None;
        for word in case.split_whitespace() {
            match word.split_once('=') {
                None if word == "tty" => terminal = true,
                None if word == "pipe" => terminal = false,
                None if word == "--json" => wanted.json = true,
                Some(("--color", choice)) => wanted.colour = choice.parse().unwrap(),
                Some(("size", width)) => columns = Some(width.parse().unwrap()),
                Some((name, value)) => variables.push((name, value)),
                None => panic!("{word}"),
            }
        }
        let around = Surroundings::new(terminal, columns, |name| {
            variables
                .iter()
                .find(|(known, _)| *known == name)
                .map(|(_, value)| (*value).to_owned())
        });
        Look::decide(wanted, &around)
    }

    fn terminal(width: u16, colour: bool, unicode: bool) -> Look {
        Look::Terminal {
            width,
            colour,
            unicode,
        }
    }

    fn plain(colour: bool) -> Look {
        Look::Plain { colour }
    }

    #[test]
    fn the_look_follows_from_stream_flags_and_environment() {
        let cases = [
            // Where the output goes.
            ("pipe TERM=xterm", plain(false)),
            ("tty TERM=xterm size=100", terminal(100, true, false)),
            ("tty TERM=dumb size=100", plain(false)),
            ("pipe TERM=xterm --json", Look::Json),
            ("tty TERM=xterm --json --color=always", Look::Json),
            // Colours: the flag outranks NO_COLOR, which outranks CLICOLOR_FORCE.
            (
                "tty TERM=xterm size=80 NO_COLOR=1",
                terminal(80, false, false),
            ),
            (
                "tty TERM=xterm size=80 NO_COLOR=",
                terminal(80, true, false),
            ),
            (
                "tty TERM=xterm NO_COLOR=1 --color=always",
                terminal(80, true, false),
            ),
            ("tty TERM=xterm --color=never", terminal(80, false, false)),
            (
                "tty TERM=xterm CLICOLOR_FORCE=1 --color=never",
                terminal(80, false, false),
            ),
            (
                "tty TERM=xterm NO_COLOR=1 CLICOLOR_FORCE=1",
                terminal(80, false, false),
            ),
            ("tty TERM=xterm CLICOLOR=0", terminal(80, false, false)),
            ("tty TERM=xterm CLICOLOR=1", terminal(80, true, false)),
            ("pipe CLICOLOR_FORCE=1", plain(true)),
            ("pipe CLICOLOR_FORCE=0", plain(false)),
            ("pipe CLICOLOR=1", plain(false)),
            ("pipe --color=always", plain(true)),
            ("pipe NO_COLOR=1 --color=always", plain(true)),
            ("tty TERM=dumb --color=always", plain(true)),
            // Width: COLUMNS, then the terminal, then 80; what is absurd is not believed.
            (
                "tty TERM=xterm size=132 COLUMNS=100",
                terminal(100, true, false),
            ),
            (
                "tty TERM=xterm size=132 COLUMNS=wide",
                terminal(132, true, false),
            ),
            ("tty TERM=xterm size=0", terminal(80, true, false)),
            (
                "tty TERM=xterm size=132 COLUMNS=3",
                terminal(132, true, false),
            ),
            // Letters: LC_ALL, LC_CTYPE, LANG.
            ("tty TERM=xterm LANG=en_GB.UTF-8", terminal(80, true, true)),
            (
                "tty TERM=xterm LANG=en_GB.UTF-8 LC_ALL=C",
                terminal(80, true, false),
            ),
            (
                "tty TERM=xterm LANG=C LC_CTYPE=C.utf8",
                terminal(80, true, true),
            ),
            (
                "tty TERM=xterm LANG=en_GB.UTF-8 LC_ALL=",
                terminal(80, true, true),
            ),
        ];
        for (case, look) in cases {
            assert_eq!(decided(case), look, "{case}");
        }
    }

    #[test]
    #[cfg(unix)]
    fn a_terminal_without_a_name_is_taken_for_a_dumb_one() {
        assert_eq!(decided("tty"), plain(false));
    }
}
