require ["vacation"];
vacation :addresses ["list@lists.org","sales@example.org"] "gone";
