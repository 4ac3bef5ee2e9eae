// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif
import NIOCore

/// A queue that one or a few threads drain: producers append from anywhere, a consumer sleeps until there is work
/// and then takes all of it at once. Taking everything is what makes group commit work: whatever arrived during one
/// commit cycle shares the next.
///
/// Its length is bounded by its users: each unit of work belongs to a request, and the requests in flight are bounded
/// per connection and per broker.
final class WorkQueue<Work: Sendable>: Sendable {
    // Safe to share: every access to `storage` happens under the pthread mutex it holds.
    private nonisolated(unsafe) let storage: UnsafeMutablePointer<Storage>

    private struct Storage {
        var mutex = pthread_mutex_t()
        var condition = pthread_cond_t()
        var work = CircularBuffer<Work>()
        /// Threads that sleep until there is any work.
        var sleepers = 0
        /// Threads that sleep until there is urgent work, or their time is over.
        var dozers = 0
        var hasUrgentWork = false
        var isClosed = false
    }

    init() {
        self.storage = .allocate(capacity: 1)
        self.storage.initialize(to: Storage())
        pthread_mutex_init(&self.storage.pointee.mutex, nil)
        // Time-outs are counted on the clock that nobody sets.
        var attributes = pthread_condattr_t()
        pthread_condattr_init(&attributes)
        pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC)
        pthread_cond_init(&self.storage.pointee.condition, &attributes)
        pthread_condattr_destroy(&attributes)
    }

    deinit {
        pthread_cond_destroy(&self.storage.pointee.condition)
        pthread_mutex_destroy(&self.storage.pointee.mutex)
        self.storage.deinitialize(count: 1)
        self.storage.deallocate()
    }

    /// Adds `work` at the end; false after `close()`, then the work was not taken.
    func append(_ work: Work) -> Bool {
        pthread_mutex_lock(&self.storage.pointee.mutex)
        defer { pthread_mutex_unlock(&self.storage.pointee.mutex) }
        if self.storage.pointee.isClosed { return false }
        self.storage.pointee.work.append(work)
        if self.storage.pointee.sleepers > 0 { pthread_cond_signal(&self.storage.pointee.condition) }
        return true
    }

    /// Adds all of `work` at the end, in order, under one lock and with one wake-up; false after `close()`.
    ///
    /// - Parameter isUrgent: false leaves a thread alone that waits in `takeAll(within:)`.
    func append(contentsOf work: [Work], isUrgent: Bool = true) -> Bool {
        pthread_mutex_lock(&self.storage.pointee.mutex)
        defer { pthread_mutex_unlock(&self.storage.pointee.mutex) }
        if self.storage.pointee.isClosed { return false }
        self.storage.pointee.work.append(contentsOf: work)
        if isUrgent { self.storage.pointee.hasUrgentWork = true }
        if self.storage.pointee.sleepers > 0 || isUrgent && self.storage.pointee.dozers > 0 {
            pthread_cond_signal(&self.storage.pointee.condition)
        }
        return true
    }

    /// How much work waits. Takes the lock for a moment.
    var count: Int {
        pthread_mutex_lock(&self.storage.pointee.mutex)
        defer { pthread_mutex_unlock(&self.storage.pointee.mutex) }
        return self.storage.pointee.work.count
    }

    /// Sleeps until there is work and takes all of it, in order. Empty only when closed and drained.
    func takeAll() -> CircularBuffer<Work> {
        pthread_mutex_lock(&self.storage.pointee.mutex)
        defer { pthread_mutex_unlock(&self.storage.pointee.mutex) }
        self.sleepUntilWork()
        return self.takeEverything()
    }

    /// Sleeps until there is urgent work, the queue is closed, or the time is over, and takes all there is.
    func takeAll(within nanoseconds: Int64) -> CircularBuffer<Work> {
        var deadline = timespec()
        clock_gettime(CLOCK_MONOTONIC, &deadline)
        let total = Int64(deadline.tv_nsec) + nanoseconds
        deadline.tv_sec += Int(total / 1_000_000_000)
        deadline.tv_nsec = Int(total % 1_000_000_000)

        pthread_mutex_lock(&self.storage.pointee.mutex)
        defer { pthread_mutex_unlock(&self.storage.pointee.mutex) }
        self.storage.pointee.dozers += 1
        while !self.storage.pointee.hasUrgentWork, !self.storage.pointee.isClosed {
            let result = pthread_cond_timedwait(
                &self.storage.pointee.condition,
                &self.storage.pointee.mutex,
                &deadline
            )
            if result != 0 { break }
        }
        self.storage.pointee.dozers -= 1
        return self.takeEverything()
    }

    /// Called with the mutex held.
    private func takeEverything() -> CircularBuffer<Work> {
        let taken = self.storage.pointee.work
        self.storage.pointee.work = CircularBuffer()
        self.storage.pointee.hasUrgentWork = false
        return taken
    }

    /// Sleeps until there is work and takes the oldest piece. Nil only when closed and drained.
    func takeFirst() -> Work? {
        pthread_mutex_lock(&self.storage.pointee.mutex)
        defer { pthread_mutex_unlock(&self.storage.pointee.mutex) }
        self.sleepUntilWork()
        return self.storage.pointee.work.isEmpty ? nil : self.storage.pointee.work.removeFirst()
    }

    /// No more work is accepted; what is queued is still handed out.
    func close() {
        pthread_mutex_lock(&self.storage.pointee.mutex)
        self.storage.pointee.isClosed = true
        pthread_cond_broadcast(&self.storage.pointee.condition)
        pthread_mutex_unlock(&self.storage.pointee.mutex)
    }

    /// Called with the mutex held, as all of `storage` is used.
    private func sleepUntilWork() {
        while self.storage.pointee.work.isEmpty, !self.storage.pointee.isClosed {
            self.storage.pointee.sleepers += 1
            pthread_cond_wait(&self.storage.pointee.condition, &self.storage.pointee.mutex)
            self.storage.pointee.sleepers -= 1
        }
    }
}
