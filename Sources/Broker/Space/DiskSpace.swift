// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

/// The size of the file system that holds a path, as DescribeLogDirs tells it (KIP-827).
public struct DiskSpace: Sendable, Hashable {
    /// Bytes of the whole file system.
    public var total: Int64
    /// Bytes that this process may still write.
    public var usable: Int64

    /// A size that is known from elsewhere.
    public init(total: Int64, usable: Int64) {
        self.total = total
        self.usable = usable
    }

    /// Asks the operating system; nil when it does not say. May wait for the disk.
    public init?(path: String) {
        var status = statvfs()
        guard statvfs(path, &status) == 0 else { return nil }
        self.total = Self.product(UInt64(status.f_blocks), UInt64(status.f_frsize))
        self.usable = Self.product(UInt64(status.f_bavail), UInt64(status.f_frsize))
    }

    private static func product(_ blocks: UInt64, _ blockSize: UInt64) -> Int64 {
        let (bytes, overflow) = blocks.multipliedReportingOverflow(by: blockSize)
        return overflow ? .max : Int64(clamping: bytes)
    }
}
