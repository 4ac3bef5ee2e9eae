// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import CommitLog
import NIOCore

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

/// A slice of a log file in the form in which NIO sends it without reading it (sendfile).
///
/// It has a descriptor of its own, so that the segment may be closed or deleted while the bytes are on their way.
struct SliceRegion: Sendable {
    let fileRegion: FileRegion
    private let handle: NIOFileHandle

    /// - Throws: `IOError` when the process has no descriptor left, or the slice is not in a real file.
    init(_ slice: LogSlice) throws {
        guard let descriptor = slice.file?.descriptor else {
            throw IOError(errnoCode: EBADF, reason: "the log is not in a real file")
        }
        let duplicate = fcntl(descriptor, F_DUPFD_CLOEXEC, 0)
        if duplicate < 0 { throw IOError(errnoCode: errno, reason: "duplicating a descriptor") }
        self.handle = NIOFileHandle(_deprecatedTakingOwnershipOfDescriptor: duplicate)
        self.fileRegion = FileRegion(
            fileHandle: self.handle,
            readerIndex: Int(slice.position),
            endIndex: Int(slice.position) + slice.byteCount
        )
    }

    /// Gives the descriptor back. To be called once, when the bytes are sent or never will be.
    func close() {
        try? self.handle.close()
    }
}
