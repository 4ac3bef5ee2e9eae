// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import Testing

/// Members that are not where the coordinator thinks they are.
@Suite struct ConsumerEpochTests {
    @Test func aMemberOfAGreaterEpochIsFenced() {
        ConsumerStory.check(
            """
            >> topics x=1
            >> join a x
            > beat a 2 owned=x:0
            FENCED_MEMBER_EPOCH
              The member a of group g has a greater member epoch (2) than the one known by
              the group coordinator (1). The member must abandon all its partitions and
              rejoin.
            > beat b 1
            UNKNOWN_MEMBER_ID
              Member b is not a member of group g.
            """
        )
    }

    @Test func aMemberThatLostAnAnswerMayComeWithTheEpochBefore() {
        ConsumerStory.check(
            """
            >> topics x=2
            >> join a x
            >> join b x
            >> beat a 1 owned=x:0
            > beat a 1 owned=x:0
            a@2
            > beat a 1 timeout=60000 topics=x owned=x:0
            a@2 x:0
            > beat a 1 owned=x:0,1
            FENCED_MEMBER_EPOCH
              The member a of group g has a smaller member epoch (1) than the one known by
              the group coordinator (2). The member must abandon all its partitions and
              rejoin.
            > beat a 1
            FENCED_MEMBER_EPOCH
              The member a of group g has a smaller member epoch (1) than the one known by
              the group coordinator (2). The member must abandon all its partitions and
              rejoin.
            > beat a 2
            a@2 (now)
            """
        )
    }

    @Test func aMemberTwoEpochsBehindIsFenced() {
        ConsumerStory.check(
            """
            >> topics x=2
            >> join a x
            >> join b x
            >> beat a 1 owned=x:0
            > leave b
            - current b
            - target b
            - member b
            + epoch 3
            b@-1
            > beat a 2
            + target a x:0,1
            + target@3
            + current a@3<2 stable x:0,1
            a@3 x:0,1
            > beat a 1 owned=x:0
            FENCED_MEMBER_EPOCH
              The member a of group g has a smaller member epoch (1) than the one known by
              the group coordinator (3). The member must abandon all its partitions and
              rejoin.
            """
        )
    }

    @Test func aFencedMemberMayJoinAnew() {
        ConsumerStory.check(
            """
            >> topics x=2
            >> join a x
            >> join b x
            >> beat a 1 owned=x:0
            > beat b 2
            + current b@2<0 stable x:1
            b@2 x:1
            > beat a 7 owned=x:0
            FENCED_MEMBER_EPOCH
              The member a of group g has a greater member epoch (7) than the one known by
              the group coordinator (2). The member must abandon all its partitions and
              rejoin.
            > join a x
            a@2 x:0
            > join b x
            b@2 x:1
            """
        )
    }

    @Test func aMemberThatJoinsAnewHasGivenUpEverything() {
        ConsumerStory.check(
            """
            >> topics x=2
            >> join a x
            >> join b x
            >> beat a 1
            > join a x
            + current a@2<1 stable x:0
            a@2 x:0
            > beat b 2
            + current b@2<0 stable x:1
            b@2 x:1
            """
        )
    }

    @Test func offsetsAreForMembersOfTheirEpoch() {
        ConsumerStory.check(
            """
            >> topics x=2
            >> join a x
            > commit a 1
            allowed
            > commit a 0
            STALE_MEMBER_EPOCH
            > commit a 2
            STALE_MEMBER_EPOCH
            > commit b 1
            UNKNOWN_MEMBER_ID
            > commit - -1
            UNKNOWN_MEMBER_ID
            > fetch a 1
            allowed
            > fetch a 0
            STALE_MEMBER_EPOCH
            > fetch b 1
            UNKNOWN_MEMBER_ID
            > fetch - -1
            allowed
            > leave a
            - current a
            - target a
            - member a
            + topics -
            + epoch 2
            + target@2
            a@-1
            > commit - -1
            allowed
            > commit a 1
            UNKNOWN_MEMBER_ID
            > fetch - -1
            allowed
            """
        )
    }

    @Test func aMemberThatIsGivingUpPartitionsCommitsInItsOldEpoch() {
        ConsumerStory.check(
            """
            >> topics x=2
            >> join a x
            >> join b x
            >> beat a 1
            > commit a 1
            allowed
            > beat a 1 owned=x:0
            + current a@2<1 stable x:0
            a@2
            > commit a 1
            STALE_MEMBER_EPOCH
            > commit a 2
            allowed
            """
        )
    }
}
