// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import KafkaMessages

// Where answers have their error codes, for `RequestMetrics`: everywhere in them, in the order of their fields.

extension ProduceResponse: CarriesErrors {
    func forEachErrorCode(_ body: (Int16) -> Void) {
        for one in self.responses {
            for part in one.partitionResponses {
                body(part.errorCode)
            }
        }
    }
}

extension FetchResponse: CarriesErrors {
    func forEachErrorCode(_ body: (Int16) -> Void) {
        body(self.errorCode)
        for one in self.responses {
            for part in one.partitions {
                body(part.errorCode)
            }
        }
    }
}

extension ListOffsetsResponse: CarriesErrors {
    func forEachErrorCode(_ body: (Int16) -> Void) {
        for one in self.topics {
            for part in one.partitions {
                body(part.errorCode)
            }
        }
    }
}

extension MetadataResponse: CarriesErrors {
    func forEachErrorCode(_ body: (Int16) -> Void) {
        body(self.errorCode)
        for one in self.topics {
            body(one.errorCode)
            for part in one.partitions {
                body(part.errorCode)
            }
        }
    }
}

extension OffsetCommitResponse: CarriesErrors {
    func forEachErrorCode(_ body: (Int16) -> Void) {
        for one in self.topics {
            for part in one.partitions {
                body(part.errorCode)
            }
        }
    }
}

extension OffsetFetchResponse: CarriesErrors {
    func forEachErrorCode(_ body: (Int16) -> Void) {
        body(self.errorCode)
        for one in self.topics {
            for part in one.partitions {
                body(part.errorCode)
            }
        }
        for one in self.groups {
            body(one.errorCode)
            for part in one.topics {
                for piece in part.partitions {
                    body(piece.errorCode)
                }
            }
        }
    }
}

extension FindCoordinatorResponse: CarriesErrors {
    func forEachErrorCode(_ body: (Int16) -> Void) {
        body(self.errorCode)
        for one in self.coordinators {
            body(one.errorCode)
        }
    }
}

extension JoinGroupResponse: CarriesErrors {
    func forEachErrorCode(_ body: (Int16) -> Void) {
        body(self.errorCode)
    }
}

extension HeartbeatResponse: CarriesErrors {
    func forEachErrorCode(_ body: (Int16) -> Void) {
        body(self.errorCode)
    }
}

extension LeaveGroupResponse: CarriesErrors {
    func forEachErrorCode(_ body: (Int16) -> Void) {
        body(self.errorCode)
        for one in self.members {
            body(one.errorCode)
        }
    }
}

extension SyncGroupResponse: CarriesErrors {
    func forEachErrorCode(_ body: (Int16) -> Void) {
        body(self.errorCode)
    }
}

extension DescribeGroupsResponse: CarriesErrors {
    func forEachErrorCode(_ body: (Int16) -> Void) {
        for one in self.groups {
            body(one.errorCode)
        }
    }
}

extension ListGroupsResponse: CarriesErrors {
    func forEachErrorCode(_ body: (Int16) -> Void) {
        body(self.errorCode)
    }
}

extension ApiVersionsResponse: CarriesErrors {
    func forEachErrorCode(_ body: (Int16) -> Void) {
        body(self.errorCode)
    }
}

extension CreateTopicsResponse: CarriesErrors {
    func forEachErrorCode(_ body: (Int16) -> Void) {
        for one in self.topics {
            body(one.errorCode)
        }
    }
}

extension DeleteTopicsResponse: CarriesErrors {
    func forEachErrorCode(_ body: (Int16) -> Void) {
        for one in self.responses {
            body(one.errorCode)
        }
    }
}

extension DeleteRecordsResponse: CarriesErrors {
    func forEachErrorCode(_ body: (Int16) -> Void) {
        for one in self.topics {
            for part in one.partitions {
                body(part.errorCode)
            }
        }
    }
}

extension InitProducerIdResponse: CarriesErrors {
    func forEachErrorCode(_ body: (Int16) -> Void) {
        body(self.errorCode)
    }
}

extension OffsetForLeaderEpochResponse: CarriesErrors {
    func forEachErrorCode(_ body: (Int16) -> Void) {
        for one in self.topics {
            for part in one.partitions {
                body(part.errorCode)
            }
        }
    }
}

extension DescribeConfigsResponse: CarriesErrors {
    func forEachErrorCode(_ body: (Int16) -> Void) {
        for one in self.results {
            body(one.errorCode)
        }
    }
}

extension AlterConfigsResponse: CarriesErrors {
    func forEachErrorCode(_ body: (Int16) -> Void) {
        for one in self.responses {
            body(one.errorCode)
        }
    }
}

extension DescribeLogDirsResponse: CarriesErrors {
    func forEachErrorCode(_ body: (Int16) -> Void) {
        body(self.errorCode)
        for one in self.results {
            body(one.errorCode)
        }
    }
}

extension CreatePartitionsResponse: CarriesErrors {
    func forEachErrorCode(_ body: (Int16) -> Void) {
        for one in self.results {
            body(one.errorCode)
        }
    }
}

extension DeleteGroupsResponse: CarriesErrors {
    func forEachErrorCode(_ body: (Int16) -> Void) {
        for one in self.results {
            body(one.errorCode)
        }
    }
}

extension IncrementalAlterConfigsResponse: CarriesErrors {
    func forEachErrorCode(_ body: (Int16) -> Void) {
        for one in self.responses {
            body(one.errorCode)
        }
    }
}

extension OffsetDeleteResponse: CarriesErrors {
    func forEachErrorCode(_ body: (Int16) -> Void) {
        body(self.errorCode)
        for one in self.topics {
            for part in one.partitions {
                body(part.errorCode)
            }
        }
    }
}

extension DescribeClusterResponse: CarriesErrors {
    func forEachErrorCode(_ body: (Int16) -> Void) {
        body(self.errorCode)
    }
}

extension DescribeProducersResponse: CarriesErrors {
    func forEachErrorCode(_ body: (Int16) -> Void) {
        for one in self.topics {
            for part in one.partitions {
                body(part.errorCode)
            }
        }
    }
}

extension ConsumerGroupHeartbeatResponse: CarriesErrors {
    func forEachErrorCode(_ body: (Int16) -> Void) {
        body(self.errorCode)
    }
}

extension ConsumerGroupDescribeResponse: CarriesErrors {
    func forEachErrorCode(_ body: (Int16) -> Void) {
        for one in self.groups {
            body(one.errorCode)
        }
    }
}

extension ListConfigResourcesResponse: CarriesErrors {
    func forEachErrorCode(_ body: (Int16) -> Void) {
        body(self.errorCode)
    }
}

extension DescribeTopicPartitionsResponse: CarriesErrors {
    func forEachErrorCode(_ body: (Int16) -> Void) {
        for one in self.topics {
            body(one.errorCode)
            for part in one.partitions {
                body(part.errorCode)
            }
        }
    }
}
