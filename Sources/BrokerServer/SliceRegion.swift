// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import CommitLog
import NIOCore

/// A slice of a log file in the form in which NIO sends it without reading it (sendfile).
///
/// It borrows the descriptor of the file and keeps the file open, so that the segment may be deleted while the bytes are
/// on their way. Answers of many slices so need no descriptors of their own, of which a process has few.
struct SliceRegion: Sendable {
    let fileRegion: FileRegion
    private let handle: NIOFileHandle
    private let file: any LogFile

    /// - Throws: `IOError` when the slice is not in a real file.
    init(_ slice: LogSlice) throws {
        guard let file = slice.file, let descriptor = file.descriptor else {
            throw IOError(errnoCode: Self.badDescriptor, reason: "the log is not in a real file")
        }
        self.file = file
        self.handle = NIOFileHandle(_deprecatedTakingOwnershipOfDescriptor: descriptor)
        self.fileRegion = FileRegion(
            fileHandle: self.handle,
            readerIndex: Int(slice.position),
            endIndex: Int(slice.position) + slice.byteCount
        )
    }

    /// Gives the file back. To be called once, when the bytes are sent or never will be.
    func close() {
        withExtendedLifetime(self.file) {
            // The descriptor stays the file's: the handle only forgets it.
            _ = try? self.handle.takeDescriptorOwnership()
        }
    }

    /// EBADF.
    private static let badDescriptor: CInt = 9
}
