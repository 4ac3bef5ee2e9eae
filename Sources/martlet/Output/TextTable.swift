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

    private let columns: [Column]
    private var rows: [[String]] = []

    init(_ columns: [Column]) { self.columns = columns }

    /// Cells beyond the columns are dropped, missing ones are empty.
    mutating func append(_ cells: [String]) { self.rows.append(cells) }

    /// One line per row, the titles first, each without spaces at its end. Linear in the number of cells.
    func lines(indentation: String = "") -> [String] {
        let all = [self.columns.map(\.title)] + self.rows
        let widths = self.columns.indices.map { column in
            all.reduce(0) { max($0, $1.indices.contains(column) ? $1[column].count : 0) }
        }
        return all.map { row in
            var line = indentation
            for (index, column) in self.columns.enumerated() {
                let cell = row.indices.contains(index) ? row[index] : ""
                let padding = String(repeating: " ", count: widths[index] - cell.count)
                line += column.alignment == .left ? cell + padding : padding + cell
                line += "  "
            }
            while line.last == " " { line.removeLast() }
            return line
        }
    }
}
