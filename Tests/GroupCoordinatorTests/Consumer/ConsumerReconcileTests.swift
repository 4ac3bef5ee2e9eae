// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import Testing

/// How members come from one assignment to the next.
@Suite struct ConsumerReconcileTests {
    @Test func theFirstMemberGetsEverything() {
        ConsumerStory.check(
            """
            > topics x=2 y=1
            > join a x,y
            + member a x,y
            + topics x=2,y=1
            + epoch 1
            + target a x:0,1 y:0
            + target@1
            + current a@1<0 stable x:0,1 y:0
            a@1 x:0,1 y:0
            > beat a 1
            a@1 (now)
            > state
            Stable
            """
        )
    }

    @Test func aPartitionGoesToItsNewOwnerOnlyWhenTheOldOneGaveItUp() {
        ConsumerStory.check(
            """
            > topics x=2
            > join a x
            + member a x
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
            > state
            Reconciling
            > beat b 2
            b@2 interval=500 (now)
            > beat a 1
            + current a@1<0 unrevoked x:0 giving up x:1
            a@1 x:0 interval=500
            > beat a 1 owned=x:0,1
            a@1 interval=500 (now)
            > beat a 1
            a@1 interval=500 (now)
            > beat b 2
            b@2 interval=500 (now)
            > beat a 1 owned=x:0
            + current a@2<1 stable x:0
            a@2
            > beat b 2
            + current b@2<0 stable x:1
            b@2 x:1
            > state
            Stable
            > describe
            Stable epoch=2 target=2 range
            a@2 type=1 client=client-a instance=- names=x regex=- has x:0 target x:0
            b@2 type=1 client=client-b instance=- names=x regex=- has x:1 target x:1
            """
        )
    }

    @Test func aMemberThatLeavesFreesItsPartitionsAtOnce() {
        ConsumerStory.check(
            """
            >> topics x=2
            >> join a x
            >> join b x
            >> beat a 1 owned=x:0
            > leave a
            - current a
            - target a
            - member a
            + epoch 3
            a@-1
            > state
            Assigning
            > beat b 2 owned=none
            + target b x:0,1
            + target@3
            + current b@3<2 stable x:0,1
            b@3 x:0,1
            > state
            Stable
            > leave b
            - current b
            - target b
            - member b
            + topics -
            + epoch 4
            + target@4
            b@-1
            > state
            Empty
            > describe
            Empty epoch=4 target=4 range
            """
        )
    }

    @Test func aMemberThatGaveUpOneLotIsAskedForTheNext() {
        ConsumerStory.check(
            """
            > topics x=3
            > join a x
            + member a x
            + topics x=3
            + epoch 1
            + target a x:0,1,2
            + target@1
            + current a@1<0 stable x:0,1,2
            a@1 x:0,1,2
            > join b x
            + member b x
            + epoch 2
            + target a x:0,1
            + target b x:2
            + target@2
            + current b@2<0 unreleased nothing
            b@2 nothing interval=500
            > beat a 1
            + current a@1<0 unrevoked x:0,1 giving up x:2
            a@1 x:0,1 interval=500
            > join c x
            + member c x
            + epoch 3
            + target a x:0
            + target b x:1
            + target c x:2
            + target@3
            + current c@3<0 unreleased nothing
            c@3 nothing interval=500
            > beat a 1 owned=x:0,1,2
            a@1 interval=500 (now)
            > beat a 1 owned=x:0,1
            + current a@2<1 unrevoked x:0 giving up x:1
            a@2 x:0 interval=500
            > beat b 2
            + current b@3<2 unreleased nothing
            b@3 interval=500
            > beat c 3
            + current c@3<0 stable x:2
            c@3 x:2
            > beat a 2 owned=x:0,1
            a@2 interval=500 (now)
            > beat a 2 owned=x:0
            + current a@3<2 stable x:0
            a@3
            > beat b 3
            + current b@3<2 stable x:1
            b@3 x:1
            > state
            Stable
            """
        )
    }

    @Test func whatAMemberNoLongerHasNeedNotBeGivenUp() {
        ConsumerStory.check(
            """
            >> topics x=2
            >> join a x
            >> join b x
            >> beat a 1 owned=x:0
            > beat b 2
            + current b@2<0 stable x:1
            b@2 x:1
            """
        )
    }

    @Test func whatWasToBeGivenUpCanBeGivenBack() {
        ConsumerStory.check(
            """
            >> topics x=2
            >> join a x
            >> join b x
            >> beat a 1
            > leave b
            - current b
            - target b
            - member b
            + epoch 3
            b@-1
            > beat a 1 owned=x:0
            + target a x:0,1
            + target@3
            + current a@3<1 stable x:0,1
            a@3 x:0,1
            > beat a 3
            a@3 (now)
            """
        )
    }

    @Test func aMemberOfSomeTopicsGetsThoseOnly() {
        ConsumerStory.check(
            """
            > topics x=1 y=1
            > join a x
            + member a x
            + topics x=1
            + epoch 1
            + target a x:0
            + target@1
            + current a@1<0 stable x:0
            a@1 x:0
            > join b y
            + member b y
            + topics x=1,y=1
            + epoch 2
            + target b y:0
            + target@2
            + current b@2<0 stable y:0
            b@2 y:0
            > beat a 1
            + current a@2<1 stable x:0
            a@2
            > beat b 2
            b@2 (now)
            > join c -
            + member c -
            + epoch 3
            + target c nothing
            + target@3
            + current c@3<0 stable nothing
            c@3 nothing
            > state
            Reconciling
            """
        )
    }

    @Test func aChangedSubscriptionMovesPartitions() {
        ConsumerStory.check(
            """
            > topics x=1 y=1
            > join a x
            + member a x
            + topics x=1
            + epoch 1
            + target a x:0
            + target@1
            + current a@1<0 stable x:0
            a@1 x:0
            > beat a 1 topics=x
            a@1 (now)
            > beat a 1 topics=y
            + member a y
            + topics y=1
            + epoch 2
            + target a y:0
            + target@2
            + current a@1<0 unrevoked nothing giving up x:0
            a@1 nothing interval=500
            > beat a 1 owned=x:0
            a@1 interval=500 (now)
            > beat a 1 owned=none
            + current a@2<1 stable y:0
            a@2 y:0
            > beat a 2
            a@2 (now)
            """
        )
    }

    @Test func aFullHeartbeatIsAnsweredWithTheAssignment() {
        ConsumerStory.check(
            """
            >> topics x=1
            >> join a x
            > beat a 1 timeout=60000 topics=x owned=x:0
            a@1 x:0
            > beat a 1 timeout=60000 topics=x
            a@1 (now)
            > beat a 1 timeout=60000 regex=x owned=x:0
            + member a x regex=x
            + epoch 2
            + target@2
            + current a@2<1 stable x:0
            a@2 x:0
            """
        )
    }

    @Test func anotherAddressIsWrittenButMovesNothing() {
        ConsumerStory.check(
            """
            > topics x=1
            > join a x client=one
            + member a x
            + topics x=1
            + epoch 1
            + target a x:0
            + target@1
            + current a@1<0 stable x:0
            a@1 x:0
            > beat a 1 client=two
            + member a x
            a@1
            > beat a 1 client=two rack=r
            + member a x rack=r
            a@1
            > beat a 1 client=two timeout=1000
            + member a x rack=r timeout=1000
            a@1
            """
        )
    }
}
