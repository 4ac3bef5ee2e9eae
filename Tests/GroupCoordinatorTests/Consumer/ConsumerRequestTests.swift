// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import Testing

/// What a heartbeat must look like.
@Suite struct ConsumerRequestTests {
    @Test func aRequestMustNameGroupAndMember() {
        ConsumerStory.check(
            """
            > topics x=1
            > join - x
            INVALID_REQUEST
              MemberId can't be empty. (now)
            > join - x v=0
            + member AAAAAAAAAAAAAAAAAAAAAg x
            + topics x=1
            + epoch 1
            + target AAAAAAAAAAAAAAAAAAAAAg x:0
            + target@1
            + current AAAAAAAAAAAAAAAAAAAAAg@1<0 stable x:0
            AAAAAAAAAAAAAAAAAAAAAg@1 x:0
            > join a x group=-
            INVALID_REQUEST
              GroupId can't be empty. (now)
            > beat - 1 v=0
            INVALID_REQUEST
              MemberId can't be empty. (now)
            > leave - v=0
            INVALID_REQUEST
              MemberId can't be empty. (now)
            > join a x instance=
            INVALID_REQUEST
              InstanceId can't be empty. (now)
            > beat a 1 rack=
            INVALID_REQUEST
              RackId can't be empty. (now)
            """
        )
    }

    @Test func aMemberThatJoinsSaysEverythingAndHasNothing() {
        ConsumerStory.check(
            """
            > topics x=1
            > join a x timeout=-1
            INVALID_REQUEST
              RebalanceTimeoutMs must be provided in first request. (now)
            > join a x owned=-
            INVALID_REQUEST
              TopicPartitions must be empty when (re-)joining. (now)
            > join a x owned=x:0
            INVALID_REQUEST
              TopicPartitions must be empty when (re-)joining. (now)
            > join a x topics=-
            INVALID_REQUEST
              Either SubscribedTopicNames or SubscribedTopicRegex must be non-null when
              (re-)joining. (now)
            > join a x topics=- regex=x
            + member a - regex=x
            + topics x=1
            + epoch 1
            + target a x:0
            + target@1
            + current a@1<0 stable x:0
            a@1 x:0
            > join b -
            + member b -
            + epoch 2
            + target b nothing
            + target@2
            + current b@2<0 stable nothing
            b@2 nothing
            """
        )
    }

    @Test func epochsBelowThoseOfLeavingDoNotExist() {
        ConsumerStory.check(
            """
            > beat a -3
            INVALID_REQUEST
              MemberEpoch is invalid: -3. (now)
            > away a
            INVALID_REQUEST
              InstanceId can't be null when MemberEpoch is -2. (now)
            """
        )
    }

    @Test func anAssignorMustBeOneOfThoseInUse() {
        ConsumerStory.check(
            """
            > topics x=1
            > set assignors=uniform,range
            > join a x assignor=weighted
            UNSUPPORTED_ASSIGNOR
              ServerAssignor weighted is not supported. Supported assignors: uniform, range. (now)
            > join a x assignor=nonsense
            UNSUPPORTED_ASSIGNOR
              ServerAssignor nonsense is not supported. Supported assignors: uniform, range. (now)
            > join a x assignor=range
            + member a x assignor=range
            + topics x=1
            + epoch 1
            + target a x:0
            + target@1
            + current a@1<0 stable x:0
            a@1 x:0
            """
        )
    }

    @Test func weightsHaveBounds() {
        ConsumerStory.check(
            """
            > topics x=1
            > join a x weight=-2
            INVALID_REQUEST
              Weight must be from 0 to 1000000, or -1 for none: -2. (now)
            > join a x weight=1000001
            INVALID_REQUEST
              Weight must be from 0 to 1000000, or -1 for none: 1000001. (now)
            > join a x weight=1000000
            + member a x weight=1000000
            + topics x=1
            + epoch 1
            + target a x:0
            + target@1
            + current a@1<0 stable x:0
            a@1 x:0
            """
        )
    }

    @Test func aGroupMayBeFull() {
        ConsumerStory.check(
            """
            > topics x=2
            > set max-size=1
            > join a x
            + member a x
            + topics x=2
            + epoch 1
            + target a x:0,1
            + target@1
            + current a@1<0 stable x:0,1
            a@1 x:0,1
            > join b x
            GROUP_MAX_SIZE_REACHED
              The consumer group g has reached its maximum capacity of 1 members
              (group.consumer.max.size).
            > join a x
            a@1 x:0,1
            > leave a
            - current a
            - target a
            - member a
            + topics -
            + epoch 2
            + target@2
            a@-1
            > join b x
            + member b x
            + topics x=2
            + epoch 3
            + target b x:0,1
            + target@3
            + current b@3<0 stable x:0,1
            b@3 x:0,1
            """
        )
    }

    @Test func onlyAJoinMakesAGroup() {
        ConsumerStory.check(
            """
            > beat a 1
            GROUP_ID_NOT_FOUND
              Group g not found.
            > leave a
            GROUP_ID_NOT_FOUND
              Group g not found.
            > describe
            GROUP_ID_NOT_FOUND
              Group g not found.
            > state
            none
            """
        )
    }

    @Test func aRefusedJoinLeavesNothingBehind() {
        ConsumerStory.check(
            """
            > topics x=1
            > join a - regex=[
            INVALID_REGULAR_EXPRESSION
              SubscribedTopicRegex [ is not a valid regular expression: missing ] at 1
            > state
            none
            > describe
            GROUP_ID_NOT_FOUND
              Group g not found.
            """
        )
    }
}
