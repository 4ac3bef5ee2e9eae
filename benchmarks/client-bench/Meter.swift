// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#else
import Darwin
#endif

/// Wall and CPU time of this process from a moment on, and its largest resident memory.
struct Meter {
    private let wall = Self.now
    private let cpu = Self.cpu

    /// Prints what `rdkafka` prints, without the end of the line.
    func report(records: Int, bytes: Int, more: String = "") {
        let wall = Double(Self.now - self.wall) / 1e9
        print(
            "records=\(records) bytes=\(bytes) wall_s=\(wall) cpu_s=\(Self.cpu - self.cpu) peak_mib=\(Self.peakMiB)\(more)"
        )
    }

    /// Nanoseconds of the monotonic clock.
    static var now: Int64 {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        return Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec)
    }

    private static var usage: rusage {
        var usage = rusage()
        #if canImport(Glibc)
        // glibc has an enumeration for it, and a function that takes a number.
        getrusage(numericCast(RUSAGE_SELF.rawValue), &usage)
        #else
        getrusage(RUSAGE_SELF, &usage)
        #endif
        return usage
    }

    private static var cpu: Double {
        let usage = Self.usage
        return Double(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec)
            + Double(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6
    }

    private static var peakMiB: Double { Double(Self.usage.ru_maxrss) / 1024 }
}
