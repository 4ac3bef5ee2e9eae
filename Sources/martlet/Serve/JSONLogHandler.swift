// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import KafkaConfig
import Logging
import NIOCore

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

/// Writes the log of `martlet serve` as JSON, an object a line, to standard error.
///
/// First come `time` (RFC 3339, UTC, milliseconds), `level`, `message` and `label`, then the particulars, each by its
/// name and as a string. One that has a name of the first four has `metadata.` before it. A line is written by one system call, so that
/// lines of several threads do not mix.
struct JSONLogHandler: LogHandler {
    /// Names that a line has anyway.
    static let reserved: Set<String> = ["time", "level", "message", "label"]

    var logLevel = Logger.Level.info
    var metadata: Logger.Metadata = [:]
    var metadataProvider: Logger.MetadataProvider?
    private let label: String
    private let write: @Sendable (ByteBuffer) -> Void
    private let now: @Sendable () -> Int64

    /// - Parameters:
    ///   - write: takes a whole line with its newline.
    ///   - now: wall-clock milliseconds.
    init(
        label: String, write: @escaping @Sendable (ByteBuffer) -> Void = Self.writeToStandardError,
        now: @escaping @Sendable () -> Int64 = { ProcessEnvironment.wallMilliseconds() }
    ) {
        self.label = label
        self.write = write
        self.now = now
    }

    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { self.metadata[key] }
        set { self.metadata[key] = newValue }
    }

    func log(event: LogEvent) {
        var all = self.metadata
        if let provided = self.metadataProvider?.get() { all.merge(provided) { _, new in new } }
        if let own = event.metadata { all.merge(own) { _, new in new } }
        if let error = event.error { all["error"] = "\(error)" }
        var writer = JSONWriter()
        writer.object { line in
            line.name("time")
            line.string(Self.timestamp(self.now()))
            line.name("level")
            line.string(event.level.rawValue)
            line.name("message")
            line.string(event.message.description)
            line.name("label")
            line.string(self.label)
            for (name, value) in all.sorted(by: { $0.key < $1.key }) {
                line.name(Self.reserved.contains(name) ? "metadata.\(name)" : name)
                Self.write(value, &line)
            }
        }
        writer.endLine()
        self.write(writer.buffer)
    }

    /// Numbers are strings, too: particulars are for people first, and one name always has one type.
    private static func write(_ value: Logger.Metadata.Value, _ line: inout JSONWriter) {
        switch value {
        case .string(let text): line.string(text)
        case .stringConvertible(let thing): line.string(thing.description)
        case .array(let values): line.array { line in for value in values { Self.write(value, &line) } }
        case .dictionary(let values):
            line.object { line in
                for (name, value) in values.sorted(by: { $0.key < $1.key }) {
                    line.name(name)
                    Self.write(value, &line)
                }
            }
        }
    }

    /// `2024-05-01T12:30:00.123Z`.
    static func timestamp(_ milliseconds: Int64) -> String {
        let millisecond = milliseconds % 1_000 < 0 ? milliseconds % 1_000 + 1_000 : milliseconds % 1_000
        var seconds = time_t((milliseconds - millisecond) / 1_000)
        var parts = tm()
        gmtime_r(&seconds, &parts)
        func padded(_ value: some BinaryInteger, _ width: Int) -> String {
            let text = String(value)
            return String(repeating: "0", count: max(0, width - text.utf8.count)) + text
        }
        let date = "\(padded(Int(parts.tm_year) + 1900, 4))-\(padded(parts.tm_mon + 1, 2))-\(padded(parts.tm_mday, 2))"
        let time = "\(padded(parts.tm_hour, 2)):\(padded(parts.tm_min, 2)):\(padded(parts.tm_sec, 2))"
        return "\(date)T\(time).\(padded(millisecond, 3))Z"
    }

    /// What cannot be written is lost: there is nobody to tell.
    static func writeToStandardError(_ line: ByteBuffer) {
        var line = line
        while line.readableBytes > 0 {
            let count = line.readWithUnsafeReadableBytes { bytes in
                let count = writeToDescriptor(STDERR_FILENO, bytes.baseAddress, bytes.count)
                return (max(count, 0), count)
            }
            if count < 0, errno != EINTR { return }
        }
    }
}

/// `write` of the C library.
private func writeToDescriptor(_ descriptor: Int32, _ bytes: UnsafeRawPointer?, _ count: Int) -> Int {
    write(descriptor, bytes, count)
}

extension BrokerLogFormat {
    /// The handler that writes a log so.
    func handler(label: String) -> any LogHandler {
        switch self {
        case .text: StreamLogHandler.standardError(label: label)
        case .json: JSONLogHandler(label: label)
        }
    }
}
