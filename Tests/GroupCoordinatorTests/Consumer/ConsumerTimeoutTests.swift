// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import Testing

/// Members that are silent, or slow.
@Suite struct ConsumerTimeoutTests {
    @Test func aSilentMemberIsRemoved() {
        ConsumerStory.check(
            """
            > topics x=2
            > set session=1000
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
            > at 600
            > beat b 2
            b@2 interval=500 (now)
            > at 1000
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
            > at 1599
            > beat b 3
            b@3 (now)
            > at 2598
            > at 2600
            at 2599
            - current b
            - target b
            - member b
            + topics -
            + epoch 4
            + target@4
            > state
            Empty
            """
        )
    }

    @Test func membersThatGoSilentTogetherAreRemovedInOneEpoch() {
        ConsumerStory.check(
            """
            > topics x=3
            > set session=1000
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
            > at 500
            > join c x
            + member c x
            + epoch 3
            + target a x:0
            + target b x:1
            + target c x:2
            + target@3
            + current c@3<0 unreleased nothing
            c@3 nothing interval=500
            > at 1100
            at 1000
            - current a
            - target a
            - member a
            - current b
            - target b
            - member b
            + epoch 4
            > beat c 3
            + target c x:0,1,2
            + target@4
            + current c@4<3 stable x:0,1,2
            c@4 x:0,1,2
            """
        )
    }

    @Test func aMemberThatDoesNotGiveUpInTimeIsRemoved() {
        ConsumerStory.check(
            """
            > topics x=2
            > set session=1000
            > join a x timeout=1500
            + member a x timeout=1500
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
            > beat a 1
            + current a@1<0 unrevoked x:0 giving up x:1
            a@1 x:0 interval=500
            > at 900
            > beat a 1 owned=x:0,1
            a@1 interval=500 (now)
            > beat b 2
            b@2 interval=500 (now)
            > at 1499
            > beat a 1 owned=x:0,1
            a@1 interval=500 (now)
            > beat b 2
            b@2 interval=500 (now)
            > at 1500
            at 1500
            - current a
            - target a
            - member a
            + epoch 3
            > beat a 1 owned=x:0
            UNKNOWN_MEMBER_ID
              Member a is not a member of group g.
            > beat b 2
            + target b x:0,1
            + target@3
            + current b@3<2 stable x:0,1
            b@3 x:0,1
            """
        )
    }

    @Test func aMemberThatGaveUpHasNoDeadlineAnyMore() {
        ConsumerStory.check(
            """
            > topics x=2
            > set session=10000
            > join a x timeout=1500
            + member a x timeout=1500
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
            > beat a 1
            + current a@1<0 unrevoked x:0 giving up x:1
            a@1 x:0 interval=500
            > at 1000
            > beat a 1 owned=x:0
            + current a@2<1 stable x:0
            a@2
            > at 2000
            > beat a 2
            a@2 (now)
            """
        )
    }

    @Test func afterARestartEverybodyHasAWholeSession() {
        ConsumerStory.check(
            """
            > topics x=2
            > set session=1000
            > join a x timeout=700
            + member a x timeout=700
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
            > beat a 1
            + current a@1<0 unrevoked x:0 giving up x:1
            a@1 x:0 interval=500
            > at 600
            > restart
            > at 1200
            > beat b 2
            b@2 interval=500 (now)
            > at 1600
            at 1300
            - current a
            - target a
            - member a
            + epoch 3
            > state
            Assigning
            """
        )
    }

    @Test func aGroupMayHaveTimesOfItsOwn() {
        ConsumerStory.check(
            """
            > topics x=1
            > set group-session=2000 group-interval=300
            > join a x
            + member a x
            + topics x=1
            + epoch 1
            + target a x:0
            + target@1
            + current a@1<0 stable x:0
            a@1 x:0 interval=300
            > at 1999
            > beat a 1
            a@1 interval=300 (now)
            > at 3998
            > at 3999
            at 3999
            - current a
            - target a
            - member a
            + topics -
            + epoch 2
            + target@2
            """
        )
    }
}
