//! Markdown tables: cells to lines and lines to cells.

/// The lines of a table, its columns as wide as their widest cell.
pub(crate) fn lines(columns: &[String], rows: &[Vec<String>]) -> Vec<String> {
    let escaped = |cells: &[String]| cells.iter().map(|cell| cell.replace('|', "\\|")).collect::<Vec<_>>();
    let header = escaped(columns);
    let rows: Vec<Vec<String>> = rows.iter().map(|row| escaped(row)).collect();
    let width = |at: usize| {
        let cells = std::iter::once(&header).chain(&rows).filter_map(|row| row.get(at));
        cells.map(|cell| cell.chars().count()).max().unwrap_or_default()
    };
    let widths: Vec<usize> = (0..header.len()).map(width).collect();
    let line = |cells: &[String]| {
        let padded = cells.iter().zip(&widths).map(|(cell, width)| format!(" {cell:<width$} |"));
        format!("|{}", padded.collect::<String>())
    };
    let rule: String = widths.iter().map(|width| format!("{}|", "-".repeat(width + 2))).collect();
    let mut lines = vec![line(&header), format!("|{rule}")];
    lines.extend(rows.iter().map(|row| line(row)));
    lines
}

/// The cells of a line that begins and ends with a pipe; `None` if it does not.
pub(crate) fn cells(line: &str) -> Option<Vec<String>> {
    let mut cells = Vec::new();
    let mut cell = String::new();
    let mut chars = line.trim().strip_prefix('|')?.chars().peekable();
    while let Some(char) = chars.next() {
        match char {
            '\\' if chars.next_if_eq(&'|').is_some() => cell.push('|'),
            '|' => cells.push(std::mem::take(&mut cell).trim().to_owned()),
            char => cell.push(char),
        }
    }
    cell.is_empty().then_some(cells)
}

/// Whether this is the line under a table's header.
pub(crate) fn is_rule(cells: &[String]) -> bool {
    cells.iter().all(|cell| cell.contains('-') && cell.chars().all(|char| matches!(char, '-' | ':')))
}

#[cfg(test)]
mod tests {
    use super::{cells, is_rule, lines};

    #[test]
    fn cells_there_and_back() {
        let columns = ["id", "what | it is"].map(str::to_owned);
        let rows = [["1", "a\\"], ["200", "\\|"], ["3", ""]].map(|row| row.map(str::to_owned).to_vec());
        let lines = lines(&columns, &rows);
        assert_eq!(
            lines,
            [
                "| id  | what \\| it is |",
                "|-----|---------------|",
                "| 1   | a\\            |",
                "| 200 | \\\\|           |",
                "| 3   |               |"
            ]
        );
        assert_eq!(cells(&lines[0]).as_deref(), Some(columns.as_slice()));
        assert!(is_rule(&cells(&lines[1]).unwrap()));
        for (row, line) in rows.iter().zip(&lines[2..]) {
            assert_eq!(cells(line).as_ref(), Some(row));
        }
    }

    #[test]
    fn lines_that_are_not_closed() {
        for line in ["", "a | b", "| a", "| a | b", "| a \\|"] {
            assert_eq!(cells(line), None, "{line}");
        }
    }
}
