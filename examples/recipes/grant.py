"""Handing out a right, and taking it back: grant.py guest | grant.py owner"""

import sys

import keyway


# [owner]
def owner(connection):
    door = connection.register("recipe/door")
    guest = connection.lookup("recipe/guest")
    # The guest may send to the door, nothing else, and we shall know it by the number 7.
    grant = connection.give(door, guest, rights=keyway.Right.WRITE, badge=7)
    knock = connection.receive()
    print(knock.text, "by", knock.badge)
    connection.revoke(door, grant)
    connection.send(guest, "try again")  # it is too late for it now
# [end]


# [guest]
def guest(connection):
    connection.register("recipe/guest")
    print("ready", flush=True)
    door = connection.inspect(connection.receive().carried)
    connection.send(door, "knock")
    connection.receive()
    try:
        connection.send(door, "knock")
        print("open")
    except keyway.Error as error:
        print(error.name)
# [end]


if __name__ == "__main__":
    with keyway.connect() as connection:
        {"owner": owner, "guest": guest}[sys.argv[1]](connection)
