// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import Foundation

/// `swift run wiregen` compiles Sources/KafkaMessages/Schemas to Swift; `swift run wiregen --check` writes nothing and
/// exits with 1 when a generated file is not what the schemas say.
@main
struct Wiregen {
    static func main() {
        let arguments = CommandLine.arguments.dropFirst()
        guard arguments.allSatisfy({ $0 == "--check" }) else {
            Self.fail("usage: wiregen [--check], in the folder of Package.swift", code: 64)
        }
        let root = URL(fileURLWithPath: FileManager.default.currentDirectoryPath)
        let generator = Generator(root: root)
        do {
            if arguments.isEmpty {
                let written = try generator.write()
                for path in written { print(path) }
                print("\(written.count) files changed")
            } else {
                let stale = try generator.staleFiles()
                for path in stale { print(path) }
                if !stale.isEmpty { Self.fail("\(stale.count) files are stale: run `swift run wiregen`", code: 1) }
            }
        } catch {
            Self.fail("\(error)", code: 1)
        }
    }

    private static func fail(_ message: String, code: Int32) -> Never {
        FileHandle.standardError.write(Data((message + "\n").utf8))
        exit(code)
    }
}
