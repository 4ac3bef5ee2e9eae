// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import Foundation
import ProcessStart

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

/// A file system of its own for a broker's data, small enough to be filled: ext4 in a file where that can be mounted, else
/// one in memory. Only root may mount, and not everywhere: see `isPossible`.
final class SmallVolume: Sendable {
    static let megabytes = 64

    private static let programLimit = Duration.seconds(30)

    private let path: String
    private let image: String?

    /// Whether volumes can be mounted here. Says why not, once, so that nobody takes a skipped test for a passed one.
    static let isPossible: Bool = {
        let probe = FileManager.default.temporaryDirectory.appendingPathComponent("martlet-mount-\(UUID().uuidString)")
        try? FileManager.default.createDirectory(at: probe, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: probe) }
        if SmallVolume.run(["mount", "-t", "tmpfs", "-o", "size=1m", "none", probe.path]) {
            _ = SmallVolume.run(["umount", probe.path])
            return true
        }
        print("tests on a full volume are skipped: this process may not mount file systems")
        return false
    }()

    /// Mounts an empty volume at a directory, which is made.
    init(at directory: URL) throws {
        self.path = directory.path
        try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true)
        let image = directory.path + ".ext4"
        if Self.run(["truncate", "-s", "\(Self.megabytes)M", image]),
            Self.run(["mkfs.ext4", "-q", "-m", "0", image]),
            Self.run(["mount", "-o", "loop", image, self.path])
        {
            self.image = image
            _ = Self.run(["rmdir", self.path + "/lost+found"])
        } else if Self.run(["mount", "-t", "tmpfs", "-o", "size=\(Self.megabytes)m", "none", self.path]) {
            self.image = nil
        } else {
            throw MissingProgram(name: "mount", advice: "only root may mount")
        }
    }

    /// Everything in it is gone.
    func unmount() {
        // What a killed broker had open may take a moment to go.
        if !Self.run(["umount", self.path]) { _ = Self.run(["umount", "-l", self.path]) }
        if let image { try? FileManager.default.removeItem(atPath: image) }
    }

    /// Bytes that root may still write.
    var free: Int {
        var status = statvfs()
        guard statvfs(self.path, &status) == 0 else { return -1 }
        return Int(status.f_bavail) * Int(status.f_frsize)
    }

    /// Another program's file, which takes every single byte that is left.
    func fill() throws {
        let file = open(self.path + "/filler", O_WRONLY | O_CREAT | O_APPEND, 0o644)
        guard file >= 0 else { throw POSIXError(POSIXErrorCode(rawValue: errno) ?? .EIO) }
        defer { close(file) }
        for size in [1 << 20, 4_096, 1] {
            let bytes = [UInt8](repeating: 0x66, count: size)
            while write(file, bytes, size) == size {}
        }
        fsync(file)
    }

    private static func run(_ command: [String]) -> Bool {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        process.arguments = command
        process.environment = ["PATH": "/usr/sbin:/usr/bin:/sbin:/bin"]
        process.standardOutput = FileHandle.nullDevice
        process.standardError = FileHandle.nullDevice
        guard (try? process.start()) != nil else { return false }
        process.waitUntilExit()
        return process.terminationStatus == 0
    }
}

/// Runs `body` with a broker whose data is on a small volume, and stops it in order afterwards.
func withBrokerOnSmallVolume(
    _ options: BrokerOptions = BrokerOptions(),
    _ body: @Sendable (BrokerUnderTest, SmallVolume) async throws -> Void
) async throws {
    let broker = try BrokerUnderTest(options)
    let volume = try SmallVolume(at: broker.dataDirectory)
    try await BrokerUnderTest.$current.withValue(broker) {
        do {
            try await broker.start()
            try await body(broker, volume)
            try await broker.stop()
        } catch {
            await broker.end(volume)
            throw error
        }
        await broker.end(volume)
    }
}

extension BrokerUnderTest {
    fileprivate func end(_ volume: SmallVolume) async {
        // The process has to be gone before its volume is, and its folder goes last.
        try? await self.kill()
        volume.unmount()
        await self.cleanUp()
    }
}
