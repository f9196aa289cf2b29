require ["environment","relational","comparator-i;ascii-numeric"];
if environment :contains "x-nope" "" { discard;
}
