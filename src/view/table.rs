//! Tables that fit the terminal, and stay columns in a pipe.
//!
//! ```
//! use clusterctl::view::Look;
//! use clusterctl::view::table::{Column, Table};
//!
//! let mut table = Table::new([Column::new("node"), Column::new("heap").right()]);
//! table.row(["ucd1", "2048"]);
//! assert_eq!(table.render(Look::Plain { colour: false }), "node\theap\nucd1\t2048\n");
//! ```

use comfy_table::{
    Attribute, Cell as Drawn, CellAlignment, Color, ColumnConstraint, ContentArrangement,
    ContentLineStyle, LineStyle, TableStyle, Width,
};
use unicode_width::UnicodeWidthStr as _;

use super::line::padded;
use super::{Line, Look, Tone};
use crate::plan::printable;

/// A table: columns, and rows of cells.
#[derive(Debug, Clone)]
pub struct Table {
    columns: Vec<Column>,
    rows: Vec<Vec<Cell>>,
}

/// A column, and what becomes of it when the terminal is narrow.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    title: String,
    right: bool,
    whole: bool,
    goes: Option<u8>,
}

/// A cell: its text, and what that means.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Cell {
    text: String,
    tone: Tone,
}

impl Column {
    /// A column that is always shown, and whose cells are wrapped where they must be.
    pub fn new(title: impl AsRef<str>) -> Self {
        Self {
            title: printable::line(title.as_ref()),
            right: false,
            whole: false,
            goes: None,
        }
    }

    /// The same column, aligned to the right, as numbers are.
    #[must_use]
    pub fn right(self) -> Self {
        Self {
            right: true,
            ..self
        }
    }

    /// The same column, whose cells are never wrapped, because people copy them.
    #[must_use]
    pub fn whole(self) -> Self {
        Self {
            whole: true,
            ..self
        }
    }

    /// The same column, left out when there is no room: those with the highest number go first.
    #[must_use]
    pub fn goes(self, when: u8) -> Self {
        Self {
            goes: Some(when),
            ..self
        }
    }
}

impl Cell {
    /// A cell.
    pub fn new(text: impl AsRef<str>) -> Self {
        Self {
            text: printable::line(text.as_ref()),
            tone: Tone::Usual,
        }
    }

    /// The same cell, with what it means.
    #[must_use]
    pub fn tone(self, tone: Tone) -> Self {
        Self { tone, ..self }
    }

    /// The cell as it is drawn. An empty one is a dash, so that programs that split at spaces don't lose it.
    fn shown(&self) -> &str {
        if self.text.trim().is_empty() {
            "-"
        } else {
            &self.text
        }
    }
}

impl From<&str> for Cell {
    fn from(text: &str) -> Self {
        Self::new(text)
    }
}

impl From<String> for Cell {
    fn from(text: String) -> Self {
        Self::new(text)
    }
}

impl Table {
    /// The spaces between two columns; one of them is the library's place for a border.
    const GAP: usize = 2;
    /// A column that may be wrapped is not made narrower than this while another can go.
    const LEAST: usize = 16;

    /// A table with these columns.
    pub fn new(columns: impl IntoIterator<Item = Column>) -> Self {
        Self {
            columns: columns.into_iter().collect(),
            rows: Vec::new(),
        }
    }

    /// Adds a row. Cells that are missing are empty; cells too many are left out.
    pub fn row<C: Into<Cell>>(&mut self, cells: impl IntoIterator<Item = C>) -> &mut Self {
        let mut row: Vec<Cell> = cells.into_iter().map(Into::into).collect();
        row.resize(self.columns.len(), Cell::default());
        self.rows.push(row);
        self
    }

    /// Whether there are no rows.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// The table as text. On a terminal it fits the width; elsewhere its columns are separated by tabs, all of them there and none wrapped.
    pub fn render(&self, look: Look) -> String {
        match look {
            Look::Terminal {
                width,
                colour,
                unicode,
            } => self.drawn(usize::from(width), colour, unicode),
            Look::Plain { colour } => self.separated(colour),
            Look::Json => self.separated(false),
        }
    }

    fn separated(&self, colour: bool) -> String {
        let titles: Vec<_> = self.columns.iter().map(|c| c.title.clone()).collect();
        let mut text = titles.join("\t") + "\n";
        for row in &self.rows {
            let cells: Vec<_> = row
                .iter()
                .map(|cell| cell.tone.paint(cell.shown(), colour))
                .collect();
            text.push_str(&cells.join("\t"));
            text.push('\n');
        }
        text
    }

    fn drawn(&self, width: usize, colour: bool, unicode: bool) -> String {
        let (kept, gone) = self.fitting(width);
        if self.least_width(&kept) > width {
            return self.records(width, colour);
        }
        let mut table = comfy_table::Table::new();
        table
            .load_style(style(unicode))
            .set_content_arrangement(ContentArrangement::Dynamic)
            .set_width(columns(width));
        if colour {
            table.enforce_styling();
        } else {
            table.force_no_tty();
        }
        let title =
            |at: &usize| Drawn::new(&self.columns[*at].title).add_attribute(Attribute::Bold);
        table.set_header(kept.iter().map(title).collect::<Vec<_>>());
        for row in &self.rows {
            table.add_row(kept.iter().map(|at| draw(&row[*at])).collect::<Vec<_>>());
        }
        for (place, at) in kept.iter().enumerate() {
            let Some(drawn) = table.column_mut(place) else {
                continue;
            };
            let last = place + 1 == kept.len();
            let gap = if last { 0 } else { Self::GAP - 1 };
            drawn.set_padding((0, columns(gap)));
            if self.columns[*at].right {
                drawn.set_cell_alignment(CellAlignment::Right);
            }
            let needs = Width::Fixed(columns(self.least(*at) + gap));
            drawn.set_constraint(if self.columns[*at].whole {
                ColumnConstraint::Absolute(needs)
            } else {
                ColumnConstraint::LowerBoundary(needs)
            });
        }
        let mut text: String = table
            .lines()
            .map(|line| line.trim_end().to_owned() + "\n")
            .collect();
        if !gone.is_empty() {
            let names: Vec<_> = gone.iter().map(|at| &*self.columns[*at].title).collect();
            let note = format!("(no room for: {})", names.join(", "));
            text.push_str(&Tone::Faint.paint(&note, colour));
            text.push('\n');
        }
        text
    }

    /// For a terminal that is too narrow for columns: row after row, a line for each cell.
    fn records(&self, width: usize, colour: bool) -> String {
        let titles = self.columns.iter().map(|column| column.title.width());
        let widest = titles.max().unwrap_or(0) + Self::GAP;
        let record = |row: &Vec<Cell>| -> String {
            let cells = self.columns.iter().zip(row);
            cells
                .flat_map(|(column, cell)| {
                    Line::new()
                        .and(Tone::Faint, padded(&column.title, widest))
                        .and(cell.tone, cell.shown())
                        .hang(widest)
                        .rows(width, colour)
                })
                .map(|row| row + "\n")
                .collect()
        };
        self.rows.iter().map(record).collect::<Vec<_>>().join("\n")
    }

    /// Which columns fit, and which must go.
    fn fitting(&self, width: usize) -> (Vec<usize>, Vec<usize>) {
        let mut kept: Vec<usize> = (0..self.columns.len()).collect();
        let mut gone = Vec::new();
        while self.least_width(&kept) > width {
            let next = kept
                .iter()
                .enumerate()
                .filter(|(_, at)| self.columns[**at].goes.is_some())
                .max_by_key(|(place, at)| (self.columns[**at].goes, *place));
            let Some((place, _)) = next else { break };
            gone.push(kept.remove(place));
        }
        gone.sort_unstable();
        (kept, gone)
    }

    fn least_width(&self, kept: &[usize]) -> usize {
        let columns: usize = kept.iter().map(|at| self.least(*at)).sum();
        columns + Self::GAP * kept.len().saturating_sub(1)
    }

    /// The least width at which a column can be read.
    fn least(&self, at: usize) -> usize {
        let natural = self.natural(at);
        if self.columns[at].whole {
            natural
        } else {
            natural.min(self.columns[at].title.width().max(Self::LEAST))
        }
    }

    /// The width of a column in which nothing is wrapped.
    fn natural(&self, at: usize) -> usize {
        let cells = self.rows.iter().map(|row| row[at].shown().width());
        cells.fold(self.columns[at].title.width(), usize::max)
    }
}

/// A number of columns, as the library counts them.
fn columns(number: usize) -> u16 {
    u16::try_from(number).unwrap_or(u16::MAX)
}

/// No borders: only a rule below the titles.
fn style(unicode: bool) -> TableStyle {
    let rule = if unicode { '─' } else { '-' };
    TableStyle::new()
        .header_lines(ContentLineStyle::none())
        .header_separator(LineStyle::none().fill(rule).junction(rule))
        .content_lines(ContentLineStyle::none())
}

fn draw(cell: &Cell) -> Drawn {
    let drawn = Drawn::new(cell.shown());
    match cell.tone {
        Tone::Usual => drawn,
        Tone::Good => drawn.fg(Color::DarkGreen),
        Tone::Bad => drawn.fg(Color::DarkRed),
        Tone::Warn => drawn.fg(Color::DarkYellow),
        Tone::Strong => drawn.add_attribute(Attribute::Bold),
        Tone::Faint => drawn.add_attribute(Attribute::Dim),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn runs() -> Table {
        let mut table = Table::new([
            Column::new("run").whole(),
            Column::new("verb"),
            Column::new("state"),
            Column::new("steps").right(),
            Column::new("owner").goes(1),
            Column::new("reason").goes(2),
        ]);
        table.row([
            Cell::new("20260131-014640-kqzf"),
            Cell::new("restart"),
            Cell::new("stopped: ucd1 in the pool, running; ucd2 out of the pool, stopped")
                .tone(Tone::Warn),
            Cell::new("4/8"),
            Cell::new("ana@runner-7.example.com"),
            Cell::new("heap to 4 GB"),
        ]);
        table.row([
            Cell::new("20260130-220101-bwdx"),
            Cell::new("props-set"),
            Cell::new("done").tone(Tone::Good),
            Cell::new("12/12"),
            Cell::new("ci"),
            Cell::new(""),
        ]);
        table
    }

    fn terminal(width: u16, colour: bool) -> Look {
        Look::Terminal {
            width,
            colour,
            unicode: true,
        }
    }

    #[test]
    fn fits_the_terminal() {
        for width in [40, 80, 120] {
            let text = runs().render(terminal(width, false));
            assert!(
                text.lines().all(|line| line.width() <= usize::from(width)),
                "{text}"
            );
            insta::assert_snapshot!(format!("fits_the_terminal_{width}"), text);
        }
    }

    #[test]
    fn stays_columns_in_a_pipe() {
        insta::assert_snapshot!(runs().render(Look::Plain { colour: false }));
    }

    #[test]
    fn every_piped_row_has_every_column() {
        let mut table = runs();
        table.row(["a\tb\nc", "", "\u{1b}[31m"]);
        let text = table.render(Look::Plain { colour: false });
        assert_eq!(text.lines().count(), 4);
        assert!(
            text.lines().all(|row| row.split('\t').count() == 6),
            "{text}"
        );
        assert!(!text.contains('\u{1b}'));
        assert!(
            text.ends_with("a\\tb\\nc\t-\t\\u{1b}[31m\t-\t-\t-\n"),
            "{text}"
        );
    }

    #[test]
    fn colours_only_where_they_are_welcome() {
        assert!(runs().render(terminal(80, true)).contains("\u{1b}["));
        assert!(!runs().render(terminal(80, false)).contains('\u{1b}'));
        assert!(!runs().render(Look::Json).contains('\u{1b}'));
    }

    proptest::proptest! {
        #[test]
        fn fits_whatever_it_holds(
            cells in proptest::collection::vec("[a-z ,\t\u{1b}日é-]{0,40}", 1..12),
            width in 20_u16..140,
            flags in proptest::collection::vec(0_u8..4, 1..5),
        ) {
            let column = |flag: &u8| match flag {
                0 => Column::new("whole").right(),
                1 => Column::new("goes").goes(1),
                2 => Column::new("a longer title").goes(2),
                _ => Column::new("x"),
            };
            let mut table = Table::new(flags.iter().map(column));
            for row in cells.chunks(flags.len()) {
                table.row(row.iter().map(String::as_str));
            }
            let text = table.render(terminal(width, false));
            let fits = |line: &str| line.width() <= usize::from(width) || !line.trim_start().contains(' ') || line.starts_with('(');
            proptest::prop_assert!(text.lines().all(fits), "{}", text);
            proptest::prop_assert!(text.chars().all(|c| c == '\n' || printable::shows(c)));
            let piped = table.render(Look::Plain { colour: false });
            proptest::prop_assert!(piped.lines().all(|row| row.split('\t').count() == flags.len()));
        }
    }

    #[test]
    fn a_table_of_nodes_against_nodes() {
        let nodes = ["ucd1", "ucd2", "relay-ams"];
        let mut table = Table::new(std::iter::once("from").chain(nodes).map(Column::new));
        for from in nodes {
            let to = nodes.map(|to| match (from, to) {
                _ if from == to => Cell::new(""),
                ("ucd2", "relay-ams") => Cell::new("closed").tone(Tone::Bad),
                _ => Cell::new("open").tone(Tone::Good),
            });
            table.row(std::iter::once(Cell::new(from)).chain(to));
        }
        insta::assert_snapshot!(table.render(terminal(60, false)));
    }
}
