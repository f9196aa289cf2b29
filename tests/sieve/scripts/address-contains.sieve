if address :contains ["from","to","cc"] ["carol@y.example.com","bob","*@w.org"] { discard;
}
