// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import ArgumentParser
import Foundation

/// Files that `martlet bench` reads and writes.
enum BenchFiles {
    /// Throws `CommandFailure`, which names the file, when it cannot be read or is larger than `bytesMax`.
    static func read(_ path: String, bytesMax: Int) throws -> [UInt8] {
        let data: Data
        do {
            let file = try FileHandle(forReadingFrom: URL(fileURLWithPath: path))
            defer { try? file.close() }
            data = try file.read(upToCount: bytesMax + 1) ?? Data()
        } catch {
            guard FileManager.default.fileExists(atPath: path) else {
                throw CommandFailure("there is no file \(path)", status: .notFound)
            }
            throw CommandFailure("\(path) cannot be read: \(error)")
        }
        guard data.count <= bytesMax else { throw CommandFailure("\(path) is larger than \(bytesMax) bytes") }
        return Array(data)
    }

    /// Throws `CommandFailure` before anything is measured when a file could not be written at the end.
    static func checkWritable(_ path: String) throws {
        let folder = URL(fileURLWithPath: path).deletingLastPathComponent().path
        let target = FileManager.default.fileExists(atPath: path) ? path : folder
        guard FileManager.default.isWritableFile(atPath: target) else {
            throw CommandFailure("\(path) cannot be written: the folder does not exist, or does not let you")
        }
    }

    static func write(_ text: String, to path: String) throws {
        do {
            try Data(text.utf8).write(to: URL(fileURLWithPath: path))
        } catch {
            throw CommandFailure("\(path) cannot be written: \(error)")
        }
    }
}

/// A number of bytes as people write it: `4096`, `64KiB`, `1MiB`, `2GiB`, or with KB, MB, GB for powers of ten.
struct ByteCount: ExpressibleByArgument, Equatable {
    var bytes: Int

    init?(argument: String) {
        let digits = argument.prefix { $0.isNumber || $0 == "." }
        let factors: [String: Double] = [
            "": 1, "b": 1, "kb": 1e3, "mb": 1e6, "gb": 1e9, "tb": 1e12, "k": 0x1p10, "kib": 0x1p10, "m": 0x1p20,
            "mib": 0x1p20, "g": 0x1p30, "gib": 0x1p30, "t": 0x1p40, "tib": 0x1p40,
        ]
        guard let number = Double(digits), let factor = factors[argument.dropFirst(digits.count).lowercased()],
            number * factor <= 0x1p60
        else { return nil }
        self.bytes = Int(number * factor)
    }
}
