// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import Broker
public import PrometheusText

extension BrokerHost {
    /// Writes everything that the broker and its connections have to tell, as of now. Does not wait for the disk, but is
    /// not for event loops: it takes some milliseconds with thousands of partitions.
    public func writeMetrics(to page: inout MetricsPage) {
        self.broker.writeMetrics(to: &page)
        self.server?.writeMetrics(to: &page)
    }
}
