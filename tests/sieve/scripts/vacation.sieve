require ["vacation"];
vacation "gone";
