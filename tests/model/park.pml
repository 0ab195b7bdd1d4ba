/* Parking and waking (host/src/ring/park.hpp), with a store buffer for each process, as x86 has it: a store waits in
   the buffer of its process until it drains, at any time; a load looks into the own buffer first; a fence, and a locked
   exchange, waits until the own buffer is empty. Independent of the C++ explorer of this folder: other tool, other memory
   model, the protocol written down a second time.

     spin -run park.pml                         both fences: no errors
     spin -DNO_ANNOUNCE_FENCE -run park.pml     invalid end state: the waiter sleeps for ever
     spin -DNO_PUBLISH_FENCE -run park.pml      the same

   One waiter and WAKERS wakers, each of which publishes MESSAGES times. A lost wake-up is an invalid end state. */

#ifndef WAKERS
#define WAKERS 2
#endif
#ifndef MESSAGES
#define MESSAGES 2
#endif

byte parked;
byte published[WAKERS];
bool bell; /* the eventfd: sticky */

inline ring_bell() { bell = true }

proctype Waker(byte me) {
    byte i = 1;
    byte waiting = 0; /* the store buffer: one value for published[me]; 0 is none */
    bool saw;
    do
    :: i > MESSAGES -> break
    :: else ->
        waiting = i; /* B1, into the buffer. A value not yet drained is overwritten: it was never visible. */
        if
        :: true -> skip
        :: true -> atomic { published[me] = waiting; waiting = 0 } /* it may drain by itself */
        fi;
#ifndef NO_PUBLISH_FENCE
        atomic { /* B2 */
            if
            :: waiting != 0 -> published[me] = waiting; waiting = 0
            :: else
            fi
        }
#endif
        saw = (parked != 0); /* B3 */
        if
        :: saw ->
            atomic { /* B4: a locked instruction drains as well */
                if
                :: waiting != 0 -> published[me] = waiting; waiting = 0
                :: else
                fi;
                saw = (parked != 0);
                parked = 0
            }
            if
            :: saw -> ring_bell()
            :: else
            fi
        :: else
        fi;
        i++
    od;
    atomic { /* whatever is still in the buffer drains at last */
        if
        :: waiting != 0 -> published[me] = waiting; waiting = 0
        :: else
        fi
    }
}

/* The waiter's buffer holds stores to `parked` only: at most the 1 of announce() behind the 0 of retract(). */
byte held[2];
byte holds;

inline drain_one() {
    d_step { parked = held[0]; held[0] = held[1]; held[1] = 0; holds-- }
}
inline drain_all() {
    do
    :: holds > 0 -> drain_one()
    :: else -> break
    od
}
inline buffer(value) {
    atomic {
        if
        :: holds == 2 -> drain_one()
        :: else
        fi;
        held[holds] = value;
        holds++
    }
}

proctype Waiter() {
    byte k;
    bool all;
    do
    :: true ->
        buffer(1); /* A1 */
#ifndef NO_ANNOUNCE_FENCE
        atomic { drain_all() } /* A2 */
#endif
        all = true; /* A3: the words are looked at one after the other */
        k = 0;
        do
        :: k < WAKERS -> all = all && (published[k] == MESSAGES); k++
        :: else -> break
        od;
        if
        :: all -> buffer(0); break /* A4 */
        :: else ->
            /* A5. The kernel drains the buffer, but the look of A3 is past. */
            atomic { drain_all() }
            atomic { bell -> bell = false }
            buffer(0)
        fi
    od;
    atomic { drain_all() }
}

/* Stores of the waiter drain at any time. */
proctype Drain() {
end:
    do
    :: atomic { holds > 0 -> drain_one() }
    od
}

init {
    byte w = 0;
    atomic {
        run Waiter();
        run Drain();
        do
        :: w < WAKERS -> run Waker(w); w++
        :: else -> break
        od
    }
}
