// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import Testing

/// Members with an instance id, which may come back.
@Suite struct ConsumerStaticMemberTests {
    @Test func aStaticMemberThatComesBackIsTheOnlyOneToNotice() {
        ConsumerStory.check(
            """
            >> topics x=2
            >> join a x instance=i
            >> join b x
            > beat a 1 owned=x:0 instance=i
            + current a@2<1 stable x:0
            a@2 x:0
            > beat b 2
            + current b@2<0 stable x:1
            b@2 x:1
            > away a instance=i
            + current a@-2<1 stable x:0
            a@-2
            > beat b 2
            b@2 (now)
            > join c x instance=i
            - current a
            - target a
            - member a
            + member c x instance=i
            + target c x:0
            + current c@0<0 stable x:0
            + current c@2<0 stable x:0
            c@2 x:0
            > beat c 2 instance=i
            c@2 (now)
            > beat b 2
            b@2 (now)
            > state
            Stable
            """
        )
    }

    @Test func aStaticMemberThatIsThereCannotBeReplaced() {
        ConsumerStory.check(
            """
            >> topics x=1
            >> join a x instance=i
            > join b x instance=i
            UNRELEASED_INSTANCE_ID
              Static member b with instance id i cannot join the group g because the
              instance id is owned by member a.
            > beat b 1 instance=i
            FENCED_INSTANCE_ID
              Static member b with instance id i was fenced by member a of group g.
            > beat c 1 instance=j
            UNKNOWN_MEMBER_ID
              Instance id j is unknown in group g.
            > leave b instance=i
            FENCED_INSTANCE_ID
              Static member b with instance id i was fenced by member a of group g.
            > leave a instance=j
            UNKNOWN_MEMBER_ID
              Instance id j is unknown in group g.
            """
        )
    }

    @Test func aStaticMemberThatLostTheAnswerToItsJoinMayAskAgain() {
        ConsumerStory.check(
            """
            >> topics x=1
            >> join a x instance=i
            > join a x instance=i
            a@1 x:0
            """
        )
    }

    @Test func aStaticMemberThatStaysAwayIsRemoved() {
        ConsumerStory.check(
            """
            > topics x=2
            > set session=1000
            > join a x instance=i
            + member a x instance=i
            + topics x=2
            + epoch 1
            + target a x:0,1
            + target@1
            + current a@1<0 stable x:0,1
            a@1 x:0,1
            > join b x
            + member b x
            + epoch 2
            + target a x:0
            + target b x:1
            + target@2
            + current b@2<0 unreleased nothing
            b@2 nothing interval=500
            > beat a 1 owned=x:0 instance=i
            + current a@2<1 stable x:0
            a@2 x:0
            > at 500
            > away a instance=i
            + current a@-2<1 stable x:0
            a@-2
            > beat b 2
            + current b@2<0 stable x:1
            b@2 x:1
            > at 1200
            at 1000
            - current a
            - target a
            - member a
            + epoch 3
            > beat b 2
            + target b x:0,1
            + target@3
            + current b@3<2 stable x:0,1
            b@3 x:0,1
            > at 1400
            > describe
            Stable epoch=3 target=3 range
            b@3 type=1 client=client-b instance=- names=x regex=- has x:0,1 target x:0,1
            """
        )
    }

    @Test func aStaticMemberThatIsAwayIsNotServed() {
        ConsumerStory.check(
            """
            >> topics x=1
            >> join a x instance=i
            > away a instance=i
            + current a@-2<0 stable x:0
            a@-2
            > beat a 1 instance=i
            FENCED_MEMBER_EPOCH
              The member a of group g has a greater member epoch (1) than the one known by
              the group coordinator (-2). The member must abandon all its partitions and
              rejoin.
            > commit a 1
            STALE_MEMBER_EPOCH
            > state
            Reconciling
            > describe
            Reconciling epoch=1 target=1 range
            a@-2 type=1 client=client-a instance=i names=x regex=- has x:0 target x:0
            """
        )
    }

    @Test func aStaticMemberMayLeaveForGood() {
        ConsumerStory.check(
            """
            >> topics x=1
            >> join a x instance=i
            > leave a instance=i
            - current a
            - target a
            - member a
            + topics -
            + epoch 2
            + target@2
            a@-1
            > join b x instance=i
            + member b x instance=i
            + topics x=1
            + epoch 3
            + target b x:0
            + target@3
            + current b@3<0 stable x:0
            b@3 x:0
            """
        )
    }

    @Test func aStaticMemberMayComeBackUnderItsOwnId() {
        ConsumerStory.check(
            """
            >> topics x=1
            >> join a x instance=i
            > away a instance=i
            + current a@-2<0 stable x:0
            a@-2
            > join a x instance=i
            - current a
            - target a
            - member a
            + member a x instance=i
            + target a x:0
            + current a@0<0 stable x:0
            + current a@1<0 stable x:0
            a@1 x:0
            """
        )
    }

    @Test func aStaticMemberMayComeBackWantingSomethingElse() {
        ConsumerStory.check(
            """
            > topics x=1 y=1
            > join a x instance=i
            + member a x instance=i
            + topics x=1
            + epoch 1
            + target a x:0
            + target@1
            + current a@1<0 stable x:0
            a@1 x:0
            > away a instance=i
            + current a@-2<0 stable x:0
            a@-2
            > join b y instance=i
            - current a
            - target a
            - member a
            + member b y instance=i
            + target b x:0
            + current b@0<0 stable x:0
            + topics y=1
            + epoch 2
            + target b y:0
            + target@2
            + current b@2<0 stable y:0
            b@2 y:0
            """
        )
    }

    @Test func aStaticMemberThatGoesAwayHasGivenUpWhatItHadTo() {
        ConsumerStory.check(
            """
            >> topics x=2
            >> join a x instance=i
            >> join b x
            > beat a 1 instance=i
            + current a@1<0 unrevoked x:0 giving up x:1
            a@1 x:0 interval=500
            > away a instance=i
            + current a@-2<0 unrevoked x:0
            a@-2
            > beat b 2
            + current b@2<0 stable x:1
            b@2 x:1
            > join c x instance=i
            - current a
            - target a
            - member a
            + member c x instance=i
            + target c x:0
            + current c@0<0 unrevoked x:0
            + current c@2<0 stable x:0
            c@2 x:0
            """
        )
    }

    @Test func aFullGroupTakesItsStaticMembersBack() {
        ConsumerStory.check(
            """
            > topics x=1
            > set max-size=1
            > join a x instance=i
            + member a x instance=i
            + topics x=1
            + epoch 1
            + target a x:0
            + target@1
            + current a@1<0 stable x:0
            a@1 x:0
            > away a instance=i
            + current a@-2<0 stable x:0
            a@-2
            > join b x instance=i
            - current a
            - target a
            - member a
            + member b x instance=i
            + target b x:0
            + current b@0<0 stable x:0
            + current b@1<0 stable x:0
            b@1 x:0
            > join c x instance=j
            GROUP_MAX_SIZE_REACHED
              The consumer group g has reached its maximum capacity of 1 members
              (group.consumer.max.size).
            """
        )
    }
}
