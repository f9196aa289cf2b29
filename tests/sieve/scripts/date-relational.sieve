require ["date","relational"];
if date :value "ge" :zone "+0000" "date" "date" "2026-11-24" { discard;
}
