require ["envelope"];
if envelope :domain :is "from" "" { discard;
}
