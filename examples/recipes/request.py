"""Request and response: request.py serve COUNT | request.py call TEXT"""

import sys

import keyway


# [serve]
def serve(connection, count):
    connection.register("recipe/upper")
    print("ready", flush=True)
    for _ in range(count):
        call = connection.receive()
        try:
            connection.reply(call, call.text.upper())
        except keyway.Error as error:
            print(error, file=sys.stderr)  # this caller's trouble, not ours
# [end]


# [call]
def ask(connection, text):
    upper = connection.lookup("recipe/upper")  # policy says whether we may
    return connection.call(upper, text, timeout=10).text
# [end]


if __name__ == "__main__":
    with keyway.connect() as connection:
        if sys.argv[1] == "serve":
            serve(connection, int(sys.argv[2]))
        else:
            print(ask(connection, sys.argv[2]))
