// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

#if Broker
import Histogram
import Yams
#endif
import KafkaClient

enum LoadGenerator {}
