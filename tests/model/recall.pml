/* Recall, and what may be under way when it returns (host/src/router/authority.cpp, pump.cpp, topics.cpp).

     spin -run recall.pml                      no errors
     spin -DNO_RECHECK -run recall.pml         a message that waited for room is delivered without being judged anew
     spin -DNO_MOVE -run recall.pml            an event goes into the ring that the recalled subscriber has
     spin -DANSWER_FIRST -run recall.pml       the revoker is answered before the entry has ended

   A sender submits without end, a receiver makes room when it likes, a publisher's events go to a topic with a subscriber
   who keeps its mapping for ever; somebody revokes the sender's and the subscriber's capability. `held` is Link::held in
   the code, `ring` counts the topic's rings, `move_topic` has its name there. The router is one thread, but it takes up what
   is asked of it between any two messages, and the others run between any two of its steps. */

#define MESSAGES 3

byte submitted;
byte room = 1;
bool capability = true;    /* the entry in the table is valid */
bool revoke_asked;
bool answered;             /* the revoker has its answer */
bool delivered_after;      /* a message was delivered that was judged or delivered after the answer */
byte ring = 1;             /* the topic's */
byte subscribers_ring = 1; /* what the recalled one has mapped, for ever */
bool stale;                /* Topic::stale */
bool read_after;

active proctype Sender() {
    do
    :: submitted < MESSAGES -> submitted++
    :: else -> break
    od
}

active proctype Receiver() {
    byte i = 0;
    do
    :: i < MESSAGES && room == 0 -> room = 1; i++
    :: i == MESSAGES -> break
    :: timeout -> break
    od
}

active proctype Revoker() {
    revoke_asked = true;
    answered; /* waits */
    skip
}

inline move_topic() {
    if
    :: stale -> ring++; stale = false
    :: else
    fi
}

inline deliver() {
    room--;
    /* The answer may arrive at any moment after it was sent, also while this step is under way. */
    delivered_after = delivered_after || answered
}

active proctype Router() {
    byte judged = 0;
    bool held = false;
    bool revoked = false;
    byte events = 0;
    do
    :: judged < submitted && !held -> /* judge(): route() looks at the entry, then for room */
        if
        :: !capability -> judged++ /* refused */
        :: capability && room > 0 -> deliver(); judged++
        :: capability && room == 0 -> held = true
        fi
    :: held && room > 0 -> /* retry_held() */
        held = false;
#ifdef NO_RECHECK
        deliver();
#else
        if
        :: capability -> deliver()
        :: else
        fi;
#endif
        judged++
    :: held && !capability && room == 0 -> held = false; judged++ /* given up in the end */
    :: events < 2 -> /* publish(): topic_has_room() comes first */
        events++;
#ifndef NO_MOVE
        move_topic();
#endif
        read_after = read_after || (answered && ring == subscribers_ring)
    :: revoke_asked && !revoked ->
        revoked = true;
#ifdef ANSWER_FIRST
        answered = true;
        if
        :: judged < submitted && capability && room > 0 -> deliver(); judged++
        :: else
        fi;
        capability = false;
        stale = true
#else
        capability = false; /* end_tree() */
        stale = true;       /* recall_subscriber() */
        answered = true
#endif
    :: judged == MESSAGES && revoked && events == 2 -> break
    od;
    assert(!delivered_after);
    assert(!read_after)
}
