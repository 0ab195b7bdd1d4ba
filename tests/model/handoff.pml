/* A quantum hand-off and the router's death in the midst of it (host/src/router/qubits.cpp, host/src/quantum/ledger.cpp).
   The labels of the router's steps are those of the crash points in the code: `moved` here is KEYWAY_CRASH_POINT("router.moved")
   there, `begun` is "ledger.begun", and so on. tests/quantum/crash_test.cpp kills real processes at the same steps.

     spin -run handoff.pml                        no errors
     spin -DONE_COPY -run handoff.pml             the ledger writes over its only copy: nobody holds the qubit
     spin -DCHECKSUM_FIRST -run handoff.pml       the checksum before what it is over: half an entry counts
     spin -DDELIVER_FIRST -run handoff.pml        the message before the entry: the receiver was told, the sender has it

   The qubit goes to and fro between two processes, HAND_OFFS times, and the router may be killed between any two steps and
   started anew each time. What is memory of the router's (the table) is lost then; the ledger's file stays. */

#ifndef HAND_OFFS
#define HAND_OFFS 3
#endif

#define NOBODY 0

/* The ledger's entry: two copies, written in turns. An entry is two words, to see one that is half written. */
byte holder_word[2];
byte check_word[2]; /* what the holder's word should be, as all the rest of the entry */
byte sequence[2];
bool checksum_good[2];

byte table = 1;       /* whose the capability is, while the router lives */
byte told = 1;        /* who was last told that it holds the qubit */
byte newest;          /* of the two copies */
byte holder;          /* by the ledger */

inline read_ledger() {
    atomic {
        holder = NOBODY;
        if
        :: checksum_good[0] && (!checksum_good[1] || sequence[0] > sequence[1]) -> newest = 0; holder = holder_word[0]
        :: checksum_good[1] && (!checksum_good[0] || sequence[1] > sequence[0]) -> newest = 1; holder = holder_word[1]
        :: else
        fi;
        /* The promise: one holder, of a whole entry, and nobody else was told that it is the holder. */
        assert(holder != NOBODY);
        assert(holder_word[newest] == check_word[newest]);
        assert(told == holder)
    }
}

active proctype Router() {
    byte next_holder;
    byte copy;
    byte i = 0;
    holder_word[0] = 1; check_word[0] = 1; sequence[0] = 1; checksum_good[0] = true; /* prepared by process 1 */
    do
    :: i == HAND_OFFS -> break
    :: else ->
        i++;
        next_holder = 3 - table;
#ifdef ONE_COPY
        copy = newest;
#else
        copy = 1 - newest;
#endif
taken:
        if :: goto killed :: skip fi;
        table = next_holder;
#ifdef DELIVER_FIRST
        told = next_holder;
#endif
moved:
        if :: goto killed :: skip fi;
#ifdef CHECKSUM_FIRST
        checksum_good[copy] = true;
#else
        checksum_good[copy] = false;
#endif
        sequence[copy] = sequence[newest] + 1;
begun:
        if :: goto killed :: skip fi;
        holder_word[copy] = next_holder;
        if :: goto killed :: skip fi;
        check_word[copy] = next_holder;
filled:
        if :: goto killed :: skip fi;
        /* The last store of the entry decides, and only what comes after it tells the receiver. A kill between the two is
           the receiver's death as far as it can see: it finds out by reclaiming, as in `recorded`. */
        atomic { checksum_good[copy] = true; newest = copy; told = next_holder }
recorded:
        if :: goto killed :: skip fi;
delivered:
        read_ledger();
        assert(table == holder);
        goto again;
killed:
        table = NOBODY;
        read_ledger();
        table = holder; /* whoever of the two reclaims and is the one in the ledger */
again:
        skip
    od
}
