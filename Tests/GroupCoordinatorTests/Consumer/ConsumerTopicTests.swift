// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import Testing

/// Topics that come, go and grow, and expressions that match them.
@Suite struct ConsumerTopicTests {
    @Test func newPartitionsAreAssigned() {
        ConsumerStory.check(
            """
            >> topics x=1
            >> join a x
            >> topics x=2
            > beat a 1
            + topics x=2
            + epoch 2
            + target a x:0,1
            + target@2
            + current a@2<1 stable x:0,1
            a@2 x:0,1
            > beat a 2
            a@2 (now)
            > topics x=2 z=5
            > beat a 2
            a@2 (now)
            """
        )
    }

    @Test func aTopicMayComeLater() {
        ConsumerStory.check(
            """
            > join a x
            + member a x
            + epoch 1
            + target a nothing
            + target@1
            + current a@1<0 stable nothing
            a@1 nothing
            > topics x=1
            > beat a 1
            + topics x=1
            + epoch 2
            + target a x:0
            + target@2
            + current a@2<1 stable x:0
            a@2 x:0
            """
        )
    }

    @Test func partitionsOfADeletedTopicAreTakenAway() {
        ConsumerStory.check(
            """
            > topics x=1 y=1
            > join a x,y
            + member a x,y
            + topics x=1,y=1
            + epoch 1
            + target a x:0 y:0
            + target@1
            + current a@1<0 stable x:0 y:0
            a@1 x:0 y:0
            > topics y=1
            > beat a 1
            + topics y=1
            + epoch 2
            + target a y:0
            + target@2
            + current a@1<0 unrevoked y:0 giving up x:0
            a@1 y:0 interval=500
            > beat a 1 owned=y:0
            + current a@2<1 stable y:0
            a@2
            > leave a
            - current a
            - target a
            - member a
            + topics -
            + epoch 3
            + target@3
            a@-1
            """
        )
    }

    @Test func aTopicMadeAgainIsAnotherOne() {
        ConsumerStory.check(
            """
            >> topics x=1
            >> join a x
            > topics x=1#2
            > beat a 1 owned=x:0
            + topics x#2=1
            + epoch 2
            + target a x#2:0
            + target@2
            + current a@1<0 unrevoked nothing giving up x:0
            a@1 nothing interval=500
            > beat a 1 owned=none
            + current a@2<1 stable x#2:0
            a@2 x#2:0
            """
        )
    }

    @Test func anExpressionMatchesTopicsThatComeLater() {
        ConsumerStory.check(
            """
            > topics x1=1 y=1
            > join a - regex=x.*
            + member a - regex=x.*
            + topics x1=1
            + epoch 1
            + target a x1:0
            + target@1
            + current a@1<0 stable x1:0
            a@1 x1:0
            > topics x1=1 x2=1 y=1
            > beat a 1
            + topics x1=1,x2=1
            + epoch 2
            + target a x1:0 x2:0
            + target@2
            + current a@2<1 stable x1:0 x2:0
            a@2 x1:0 x2:0
            """
        )
    }

    @Test func namesAndAnExpressionGoTogether() {
        ConsumerStory.check(
            """
            > topics x1=1 x2=1 y=1
            > join a y regex=x.*
            + member a y regex=x.*
            + topics y=1,x1=1,x2=1
            + epoch 1
            + target a y:0 x1:0 x2:0
            + target@1
            + current a@1<0 stable y:0 x1:0 x2:0
            a@1 y:0 x1:0 x2:0
            > beat a 1 regex=x1
            + member a y regex=x1
            + topics y=1,x1=1
            + epoch 2
            + target a y:0 x1:0
            + target@2
            + current a@1<0 unrevoked y:0 x1:0 giving up x2:0
            a@1 y:0 x1:0 interval=500
            > beat a 1 owned=x1:0+y:0
            + current a@2<1 stable y:0 x1:0
            a@2
            > beat a 2 regex=
            + member a y
            + topics y=1
            + epoch 3
            + target a y:0
            + target@3
            + current a@2<1 unrevoked y:0 giving up x1:0
            a@2 y:0 interval=500
            > beat a 2 topics=- owned=none
            + current a@3<2 stable y:0
            a@3
            """
        )
    }

    @Test func anExpressionThatIsNotOneIsRefused() {
        ConsumerStory.check(
            """
            >> topics x=1
            >> join a x
            > beat a 1 regex=[
            INVALID_REGULAR_EXPRESSION
              SubscribedTopicRegex [ is not a valid regular expression: missing ] at 1
            > beat a 1
            a@1 (now)
            > join b - regex=[
            INVALID_REGULAR_EXPRESSION
              SubscribedTopicRegex [ is not a valid regular expression: missing ] at 1
            """
        )
    }

    @Test func anExpressionThatMeansSomethingElseMovesPartitionsOfKnownTopics() {
        ConsumerStory.check(
            """
            > topics x=1 y=1
            > join a x,y,z1
            + member a x,y,z1
            + topics x=1,y=1
            + epoch 1
            + target a x:0 y:0
            + target@1
            + current a@1<0 stable x:0 y:0
            a@1 x:0 y:0
            > join b - regex=z.*
            + member b - regex=z.*
            + epoch 2
            + target b nothing
            + target@2
            + current b@2<0 stable nothing
            b@2 nothing
            > beat a 1
            + current a@2<1 stable x:0 y:0
            a@2
            > topics x=1 y=1 z1=1
            > beat b 2
            + topics x=1,y=1,z1=1
            + epoch 3
            + target a x:0 y:0 z1:0
            + target@3
            + current b@3<2 stable nothing
            b@3
            > beat a 2
            + current a@3<2 stable x:0 y:0 z1:0
            a@3 x:0 y:0 z1:0
            """
        )
    }

    @Test func afterARestartNothingMoves() {
        ConsumerStory.check(
            """
            > topics x=1 y1=1
            > join a x regex=y.*
            + member a x regex=y.*
            + topics x=1,y1=1
            + epoch 1
            + target a x:0 y1:0
            + target@1
            + current a@1<0 stable x:0 y1:0
            a@1 x:0 y1:0
            > restart
            > beat a 1
            a@1 (now)
            > topics x=1 y1=1 y2=1
            > beat a 1
            + topics x=1,y1=1,y2=1
            + epoch 2
            + target a x:0 y1:0 y2:0
            + target@2
            + current a@2<1 stable x:0 y1:0 y2:0
            a@2 x:0 y1:0 y2:0
            """
        )
    }
}
