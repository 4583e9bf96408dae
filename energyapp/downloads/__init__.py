"""One file by https from a server that strangers have named: nothing of our own network is reached, nothing goes on for ever."""
