// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

/// Rows and columns in text: columns as wide as their widest cell, two spaces between them, nothing drawn, so that it
/// is good to read and good to cut apart.
struct TextTable {
    enum Alignment {
        case left
        case right
    }

    struct Column {
        var title: String
        var alignment: Alignment

        init(_ title: String, _ alignment: Alignment = .left) {
            self.title = title
            self.alignment = alignment
        }
    }

    private struct Row {
        var cells: [String]
        /// By column.
        var styles: [Int: Terminal.Style]
    }

    private let columns: [Column]
    private var rows: [Row] = []

    init(_ columns: [Column]) { self.columns = columns }

    /// Cells beyond the columns are dropped, missing ones are empty. `styles` says which columns stand out.
    mutating func append(_ cells: [String], styles: [Int: Terminal.Style] = [:]) {
        self.rows.append(Row(cells: cells, styles: styles))
    }

    /// One line per row, the titles first, each without spaces at its end. Linear in the number of cells.
    func lines(indentation: String = "", terminal: Terminal = .plain) -> [String] {
        let titles = Row(
            cells: self.columns.map(\.title),
            styles: Dictionary(uniqueKeysWithValues: self.columns.indices.map { ($0, Terminal.Style.title) }))
        let all = [titles] + self.rows
        let widths = self.columns.indices.map { column in
            all.reduce(0) { max($0, $1.cells.indices.contains(column) ? $1.cells[column].count : 0) }
        }
        return all.map { row in
            // What stands to the right of the last cell that is not empty is not written.
            let end = row.cells.prefix(self.columns.count).lastIndex { !$0.isEmpty }.map { $0 + 1 } ?? 0
            let cells = (0..<end).map { index in
                let padding = String(repeating: " ", count: widths[index] - row.cells[index].count)
                let cell = terminal.styled(row.cells[index], row.styles[index])
                guard self.columns[index].alignment == .left else { return padding + cell }
                return index == end - 1 ? cell : cell + padding
            }
            return cells.isEmpty ? "" : indentation + cells.joined(separator: "  ")
        }
    }
}
