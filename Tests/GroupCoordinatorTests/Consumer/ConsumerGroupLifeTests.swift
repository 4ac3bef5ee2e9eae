// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import Testing

/// Groups as a whole: how they begin, what is said about them, how they are loaded.
@Suite struct ConsumerGroupLifeTests {
    @Test func anEmptyClassicGroupGivesWay() {
        ConsumerStory.check(
            """
            > topics x=1
            > classic empty
            > beat a 1
            GROUP_ID_NOT_FOUND
              Group g is not a consumer group.
            > describe
            GROUP_ID_NOT_FOUND
              Group g is not a consumer group.
            > join a - regex=[
            INVALID_REGULAR_EXPRESSION
              SubscribedTopicRegex [ is not a valid regular expression: missing ] at 1
            > join a x
            - classic
            + member a x
            + topics x=1
            + epoch 1
            + target a x:0
            + target@1
            + current a@1<0 stable x:0
            a@1 x:0
            > state
            Stable
            """
        )
    }

    @Test func aClassicGroupWhoseMembersCannotBeUnderstoodDoesNot() {
        ConsumerStory.check(
            """
            > topics x=1
            > classic busy
            > join a x
            GROUP_ID_NOT_FOUND
              Group g is not a consumer group, and cannot become one: what its member
              classic-member says cannot be understood.
            > beat a 1
            GROUP_ID_NOT_FOUND
              Group g is not a consumer group.
            > state
            none
            """
        )
    }

    @Test func aLoadedGroupGoesOnWhereItWas() {
        ConsumerStory.check(
            """
            > topics x=2
            > join a x instance=i rack=r assignor=uniform weight=3
            + member a x instance=i rack=r assignor=uniform weight=3
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
            > beat a 1 instance=i
            + current a@1<0 unrevoked x:0 giving up x:1
            a@1 x:0 interval=500
            > restart
            > describe
            Reconciling epoch=2 target=2 uniform
            a@1 type=1 client=client-a instance=i names=x regex=- has x:0 target x:0
            b@2 type=1 client=client-b instance=- names=x regex=- has - target x:1
            > beat a 1 owned=x:0 instance=i
            + current a@2<1 stable x:0
            a@2
            > restart
            > beat b 2
            + current b@2<0 stable x:1
            b@2 x:1
            > state
            Stable
            > leave b
            - current b
            - target b
            - member b
            + epoch 3
            b@-1
            > restart
            > leave a instance=i
            - current a
            - target a
            - member a
            + topics -
            + epoch 4
            + target@4
            a@-1
            > restart
            > state
            Empty
            > join c x
            + member c x
            + topics x=2
            + epoch 5
            + target c x:0,1
            + target@5
            + current c@5<0 stable x:0,1
            c@5 x:0,1
            """
        )
    }
}
