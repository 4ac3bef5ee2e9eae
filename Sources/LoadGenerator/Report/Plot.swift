// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import Foundation

/// Lines over two axes, drawn as SVG: colours come from the page, so that it can be dark or light.
struct Plot: Sendable {
    struct Series: Sendable {
        var label: String
        /// Which colour of the page, from 0 on.
        var color: Int
        /// How the line is dashed, as SVG has it; nil for a solid one.
        var dash: String?
        var points: [Point]
    }

    struct Point: Sendable, Equatable {
        var x: Double
        var y: Double
        /// Shown when somebody points at it.
        var note: String
    }

    var id: String
    var title: String
    var xTitle: String
    var yTitle: String
    var x: PlotAxis
    var y: PlotAxis
    var series: [Series]
    /// Where something begins, with what stands there.
    var markers: [(x: Double, label: String)] = []

    private static let (width, height) = (720.0, 320.0)
    private static let (left, right, top, bottom) = (64.0, 16.0, 16.0, 48.0)
    /// Points of a line, at most: a screen has not many more columns.
    private static let pointsMax = 600
    /// Colours that the page defines.
    static let colorCount = 8

    /// A `figure` with its title and legend.
    var html: String {
        var html = "<figure id=\"\(self.id)\"><figcaption>\(self.title.htmlEscaped)</figcaption>"
        html += "<svg viewBox=\"0 0 \(Self.text(Self.width)) \(Self.text(Self.height))\" role=\"img\""
        html += " aria-label=\"\(self.title.htmlEscaped)\">"
        html += self.grid + self.markerLines + self.series.map(self.line).joined()
        html += "</svg>" + self.legend + "</figure>"
        return html
    }

    private var grid: String {
        let (bottom, right) = (Self.height - Self.bottom, Self.width - Self.right)
        var svg = ""
        for tick in self.y.ticks {
            let y = Self.text(self.yPosition(tick.value))
            svg += Self.rule("grid", (Self.left, self.yPosition(tick.value)), (right, self.yPosition(tick.value)))
            svg += "<text class=\"tick\" text-anchor=\"end\" x=\"\(Self.text(Self.left - 8))\" y=\"\(y)\" dy=\"4\">"
            svg += "\(tick.label.htmlEscaped)</text>"
        }
        for tick in self.x.ticks {
            let x = Self.text(self.xPosition(tick.value))
            svg += Self.rule("grid", (self.xPosition(tick.value), Self.top), (self.xPosition(tick.value), bottom))
            svg += "<text class=\"tick\" text-anchor=\"middle\" x=\"\(x)\" y=\"\(Self.text(bottom + 18))\">"
            svg += "\(tick.label.htmlEscaped)</text>"
        }
        svg += "<text class=\"axis\" text-anchor=\"middle\" x=\"\(Self.text((Self.left + right) / 2))\""
        svg += " y=\"\(Self.text(Self.height - 8))\">\(self.xTitle.htmlEscaped)</text>"
        let middle = Self.text((Self.top + bottom) / 2)
        svg += "<text class=\"axis\" text-anchor=\"middle\" x=\"14\" y=\"\(middle)\""
        svg += " transform=\"rotate(-90 14 \(middle))\">\(self.yTitle.htmlEscaped)</text>"
        return svg
    }

    private var markerLines: String {
        self.markers.filter { self.x.range.contains($0.x) }.map { marker in
            let x = self.xPosition(marker.x)
            return "<line class=\"marker\" x1=\"\(Self.text(x))\" x2=\"\(Self.text(x))\" y1=\"\(Self.text(Self.top))\""
                + " y2=\"\(Self.text(Self.height - Self.bottom))\"/><text class=\"tick\" x=\"\(Self.text(x + 4))\""
                + " y=\"\(Self.text(Self.top + 10))\">\(marker.label.htmlEscaped)</text>"
        }.joined()
    }

    private func line(_ series: Series) -> String {
        let points = Self.thinned(series.points)
        guard let first = points.first else { return "" }
        let color = series.color % Self.colorCount
        let path = points.map { "\(Self.text(self.xPosition($0.x))),\(Self.text(self.yPosition($0.y)))" }
            .joined(separator: " ")
        let dash = series.dash.map { " stroke-dasharray=\"\($0)\"" } ?? ""
        var svg = "<polyline class=\"line c\(color)\"\(dash) points=\"\(path)\"/>"
        if points.count == 1 {
            svg += "<circle class=\"dot c\(color)\" r=\"3\" cx=\"\(Self.text(self.xPosition(first.x)))\""
            svg += " cy=\"\(Self.text(self.yPosition(first.y)))\"/>"
        }
        for point in points {
            svg += "<circle class=\"touch c\(color)\" r=\"5\" cx=\"\(Self.text(self.xPosition(point.x)))\""
            svg += " cy=\"\(Self.text(self.yPosition(point.y)))\"><title>\(series.label.htmlEscaped): "
            svg += "\(point.note.htmlEscaped)</title></circle>"
        }
        return svg
    }

    private var legend: String {
        let items = self.series.map { series in
            let dash = series.dash.map { " stroke-dasharray=\"\($0)\"" } ?? ""
            return
                "<li><svg class=\"key\" viewBox=\"0 0 24 8\">"
                + "<line class=\"line c\(series.color % Self.colorCount)\"\(dash)"
                + " x1=\"0\" x2=\"24\" y1=\"4\" y2=\"4\"/></svg>\(series.label.htmlEscaped)</li>"
        }
        return "<ul class=\"legend\">\(items.joined())</ul>"
    }

    /// As many points as can be told apart: of neighbours the highest stays.
    static func thinned(_ points: [Point]) -> [Point] {
        guard points.count > Self.pointsMax else { return points }
        let size = (points.count + Self.pointsMax - 1) / Self.pointsMax
        return stride(from: 0, to: points.count, by: size).compactMap { start in
            points[start..<min(start + size, points.count)].max { $0.y < $1.y }
        }
    }

    private func xPosition(_ value: Double) -> Double {
        Self.left + self.x.position(value) * (Self.width - Self.left - Self.right)
    }

    private func yPosition(_ value: Double) -> Double {
        Self.height - Self.bottom - self.y.position(value) * (Self.height - Self.top - Self.bottom)
    }

    private static func rule(_ name: String, _ from: (x: Double, y: Double), _ to: (x: Double, y: Double)) -> String {
        "<line class=\"\(name)\" x1=\"\(Self.text(from.x))\" y1=\"\(Self.text(from.y))\" x2=\"\(Self.text(to.x))\""
            + " y2=\"\(Self.text(to.y))\"/>"
    }

    private static func text(_ value: Double) -> String { String(format: "%.1f", value) }
}

extension String {
    /// As it may stand in HTML, in attributes too.
    var htmlEscaped: String {
        var text = ""
        for character in self.unicodeScalars {
            switch character {
            case "&": text += "&amp;"
            case "<": text += "&lt;"
            case ">": text += "&gt;"
            case "\"": text += "&quot;"
            case "'": text += "&#39;"
            default: text.unicodeScalars.append(character)
            }
        }
        return text
    }
}
