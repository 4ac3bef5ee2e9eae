// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

/// What the process asks of the system before it serves.
enum ProcessLimits {
    /// Raises the number of files that may be open to what the system allows: every partition holds one and every
    /// connection another, and the usual soft limit of 1,024 is soon reached.
    ///
    /// Returns the limit that is in force.
    static func raiseOpenFiles() -> Int {
        var limit = rlimit()
        guard getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0 else { return 0 }
        limit.rlim_cur = limit.rlim_max
        _ = setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
        _ = getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
        return Int(clamping: limit.rlim_cur)
    }

    /// The number of files that may be open now; 0 when the system does not say.
    static var openFilesMax: Int {
        var limit = rlimit()
        guard getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0 else { return 0 }
        return Int(clamping: limit.rlim_cur)
    }

    /// Lets the allocator keep the memory of requests for the next ones. By default it takes buffers above 128 KiB
    /// from the system and gives them back each time, and every page of them costs a fault.
    static func keepRequestBuffers() {
        #if canImport(Glibc)
        _ = mallopt(Self.mmapThreshold, Self.keptBufferBytes)
        _ = mallopt(Self.trimThreshold, 2 * Self.keptBufferBytes)
        #endif
    }

    /// Bytes: buffers of requests up to this size are kept.
    private static let keptBufferBytes: Int32 = 4 << 20

    #if canImport(Glibc)
    /// M_MMAP_THRESHOLD and M_TRIM_THRESHOLD of malloc.h.
    private static let mmapThreshold: Int32 = -3
    private static let trimThreshold: Int32 = -1
    #endif
}

#if canImport(Glibc)
/// Of the C library; Swift's view of its headers leaves it out.
@_silgen_name("mallopt")
private func mallopt(_ parameter: Int32, _ value: Int32) -> Int32
#endif
