// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

extension SenderMachine {
    // MARK: Identity

    /// A producer id is to be asked for now; the answer is due with `identified` or `identityFailed`.
    mutating func takeIdentityNeed(nowMs: Int64) -> Bool {
        guard self.isIdentityNeeded, !self.isAskingForIdentity, nowMs >= self.identityMs else { return false }
        self.isAskingForIdentity = true
        return true
    }

    mutating func identified(_ identity: Identity) {
        self.isAskingForIdentity = false
        self.isIdentityNeeded = false
        self.identityFailures = 0
        self.identity = identity
    }

    /// What waits fails if the error will not go away.
    mutating func identityFailed(_ error: KafkaClientError, nowMs: Int64) {
        self.isAskingForIdentity = false
        self.identityFailures += 1
        self.identityMs = nowMs + self.delay(afterFailures: self.identityFailures)
        guard !error.isRetriable, !error.isUnreachable else { return }
        self.isIdentityNeeded = false
        for index in self.partitions.indices { self.failQueue(of: index, error) }
    }

    // MARK: Leaders

    /// The partitions whose leader is to be asked for now; the answer is due with `leadersAnswered`.
    mutating func takeLeaderNeed(nowMs: Int64) -> [Int] {
        guard !self.leaderless.isEmpty, !self.isAskingForLeaders, nowMs >= self.leaderMs else { return [] }
        self.isAskingForLeaders = true
        return self.leaderless.sorted()
    }

    /// The leader that the cluster names.
    mutating func leaderKnown(_ leader: Int32, of index: Int) {
        self.partitions[index].leader = leader
        self.leaderless.remove(index)
    }

    /// The cluster has answered, or cannot: partitions that still have no leader are asked for again.
    mutating func leadersAnswered(nowMs: Int64) {
        self.isAskingForLeaders = false
        self.leaderFailures = self.leaderless.isEmpty ? 0 : self.leaderFailures + 1
        self.leaderMs = self.leaderless.isEmpty ? nowMs : nowMs + self.delay(afterFailures: self.leaderFailures)
    }

    /// The topic of this partition cannot be written, and waiting does not help.
    mutating func failQueue(of index: Int, _ error: KafkaClientError) {
        while let head = self.partitions[index].queue.popFirst() { self.fail(head, of: index, .error(error)) }
    }

    // MARK: Time

    /// When something is to be done next that nothing but time brings about; nil: not before something happens.
    func nextEventMs(nowMs: Int64) -> Int64? {
        var next = self.nextExpiryMs
        func consider(_ timeMs: Int64) {
            if timeMs > nowMs { next = min(next, timeMs) }
        }
        for index in self.active where !self.partitions[index].queue.isEmpty {
            consider(self.partitions[index].retryMs)
        }
        if !self.leaderless.isEmpty, !self.isAskingForLeaders { consider(self.leaderMs) }
        if self.isIdentityNeeded, !self.isAskingForIdentity { consider(self.identityMs) }
        return next == Int64.max ? nil : next
    }
}
